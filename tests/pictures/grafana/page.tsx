// Draws one rendered dashboard with Grafana's own components; `window.done` is set when all panels are drawn.
import { createTheme, dateTime, ThemeContext, type TimeRange } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { GlobalStyles, PanelChrome, PanelContextProvider, useTheme2 } from '@grafana/ui';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

import { asked, type Chosen, type Json, marks, shown } from './asked';
import { frame, kinds, register } from './panels';

const COLUMNS = 24;
const UNIT = 30; // pixels of a row of the grid
const GAP = 8;
const EDGE = 16;
const PHONE = 768; // pixels below which Grafana has panels one below the other

/** Returns the panels and heads of rows in view, each with its pixels: those of a folded row are not. */
function placed(board: Json, width: number) {
  const column = (width - GAP * (COLUMNS - 1)) / COLUMNS;
  let below = 0;
  const sorted = [...board.panels].sort((a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x);
  return sorted.map((panel) => {
    const { x, y, w, h } = panel.gridPos;
    const height = h * UNIT + (h - 1) * GAP;
    if (innerWidth < PHONE) {
      const top = below;
      below += height + GAP;
      return { panel, left: 0, top, width, height };
    }
    return { panel, left: x * (column + GAP), top: y * (UNIT + GAP), width: w * column + (w - 1) * GAP, height };
  });
}

function Panel({ panel, width, height, range, chosen, regions, drawn }: Json) {
  const theme = useTheme2();
  const [frames, setFrames] = useState<Json[]>();
  useEffect(() => {
    asked(panel, chosen, range, width)
      .then((data) => frame(panel, data, theme))
      .then(setFrames)
      .catch((error) => ((window as Json).failed = `${panel.title}: ${error.stack}`))
      .finally(drawn);
  }, []);
  const Kind = kinds[panel.type];
  return (
    <PanelChrome title={panel.title} description={panel.description} width={width} height={height}
      padding={panel.type === 'table' ? 'none' : 'md'}>
      {(w, h) => frames && (
        <PanelContextProvider value={context as Json}>
          <Kind panel={panel} frames={frames} width={w} height={h} range={range} regions={regions} />
        </PanelContextProvider>
      )}
    </PanelChrome>
  );
}

const silent = () => ({ subscribe: () => ({ unsubscribe() {} }), pipe: silent });
const bus = { publish() {}, getStream: silent, subscribe: silent, removeAllListeners() {}, newScopedBus: () => bus };
const context = { eventsScope: 'pictures', eventBus: bus };

function Head({ panel }: Json) {
  return <div style={{ fontSize: 16, fontWeight: 500, lineHeight: '30px' }}>{panel.collapsed ? '›' : '⌄'} {panel.title}</div>;
}

function Board({ board, range, chosen, regions, span }: Json) {
  const { colors } = useTheme2();
  const places = placed(board, innerWidth - 2 * EDGE);
  let left = places.filter(({ panel }) => panel.type !== 'row').length;
  const drawn = () => --left === 0 && setTimeout(() => ((window as Json).done = true), 500);
  const bottom = Math.max(...places.map(({ top, height }) => top + height));
  const bar = { display: 'flex', gap: 16, padding: '8px 16px', color: colors.text.secondary, fontSize: 14 };
  return (
    <div style={{ background: colors.background.canvas, minHeight: '100vh' }}>
      <div style={{ ...bar, background: colors.background.primary }}>
        <b style={{ color: colors.text.primary, fontWeight: 500, flex: 1 }}>{board.title}</b>
        <span>Last {span} {board.timezone.toUpperCase()}</span>
      </div>
      <div style={{ position: 'relative', margin: `${EDGE}px`, height: bottom + EDGE }}>
        {places.map(({ panel, ...place }) => (
          <div key={panel.id} style={{ position: 'absolute', ...place }}>
            {panel.type === 'row' ? <Head panel={panel} /> : (
              <Panel {...{ panel, range, chosen, regions, drawn }} width={place.width} height={place.height} />
            )}
          </div>
        ))}
      </div>
    </div>
  );
}

async function main() {
  await initPluginTranslations('pictures');
  register();
  const given = new URLSearchParams(location.search);
  const board = await (await fetch('board.json')).json();
  const span = given.get('back') ?? board.time.from.replace('now-', '');
  const to = Date.now();
  const range: TimeRange = {
    from: dateTime(to - 1000 * shown(span)), to: dateTime(to), raw: { from: `now-${span}`, to: 'now' },
  };
  const chosen: Chosen = Object.fromEntries(board.templating.list.map((one: Json) => [one.name, one.allValue ?? '']));
  const regions = await marks(board, chosen, range);
  await document.fonts.load('14px Inter');
  const mode = given.get('theme') === 'light' ? 'light' : 'dark';
  const theme = createTheme({ colors: { mode } });
  createRoot(document.getElementById('root')!).render(
    <ThemeContext.Provider value={theme}><GlobalStyles /><Board {...{ board, range, chosen, regions, span }} /></ThemeContext.Provider>,
  );
}

main().catch((error) => ((window as Json).failed = String(error.stack)));
