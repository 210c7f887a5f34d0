// The kinds of panels: Grafana's own components, but for the state timeline, which its packages do not have.
import {
  applyFieldOverrides, cacheFieldDisplayNames, FieldType, formattedValueToString, getDisplayValueAlignmentFactors,
  getFieldDisplayName, getFieldDisplayValues, identityOverrideProcessor, Registry, standardEditorsRegistry,
  standardFieldConfigEditorRegistry, standardTransformers, standardTransformersRegistry, transformDataFrame,
  VizOrientation, type DataFrame,
} from '@grafana/data';
import { BigValue, TimeSeries, useTheme2, VizLayout, VizLegend, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { useMemo } from 'react';
import { lastValueFrom } from 'rxjs';

import type { Json } from './asked';

const asIs = (text: string) => text;
const STANDARD = ['unit', 'min', 'max', 'decimals', 'noValue', 'thresholds', 'mappings', 'links', 'color'];
// What Grafana gives a chart that says nothing of it.
const LINES = {
  drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 0, gradientMode: 'none', barAlignment: 0,
  showPoints: 'auto', pointSize: 5, spanNulls: false, axisPlacement: 'auto', scaleDistribution: { type: 'linear' },
  hideFrom: { viz: false, legend: false, tooltip: false }, stacking: { mode: 'none', group: 'A' },
};

/** Registers what transforms and formats frames: the application does so where Grafana runs. */
export function register() {
  standardEditorsRegistry.setInit(() => []);
  standardFieldConfigEditorRegistry.setInit(() => []);
  const known = [...new Map(Object.values(standardTransformers).map((one: Json) => [one.id, one])).values()];
  standardTransformersRegistry.setInit(() => known.map((one: Json) => ({
    id: one.id, name: one.name, transformation: () => Promise.resolve(one), editor: () => null, description: '',
  })) as Json);
}

/** Returns the frames as a panel shows them: transformed, with units, colours and names. */
export async function frame(panel: Json, data: DataFrame[], theme: Json): Promise<DataFrame[]> {
  const config = current(panel.fieldConfig);
  const own = new Set(Object.keys(config.defaults.custom ?? {}));
  for (const { id } of config.overrides.flatMap((rule: Json) => rule.properties)) {
    if (id.startsWith('custom.')) own.add(id.slice('custom.'.length));
  }
  const item = (path: string, isCustom: boolean) => ({
    id: isCustom ? `custom.${path}` : path, path, isCustom, name: path, override: () => null,
    process: identityOverrideProcessor, shouldApply: () => true, settings: {},
  });
  const all = [...STANDARD.map((path) => item(path, false)), ...[...own].map((path) => item(path, true))];
  const steps = panel.transformations ?? [];
  const changed = steps.length ? await lastValueFrom(transformDataFrame(steps, data, { interpolate: asIs })) : data;
  const found = applyFieldOverrides({
    data: changed, fieldConfig: config, fieldConfigRegistry: new Registry(() => all as Json) as Json,
    replaceVariables: asIs, theme, timeZone: 'utc',
  });
  cacheFieldDisplayNames(found);
  return found;
}

/** Changes what Grafana changes as it loads a board: the lowest step of thresholds begins at no number. */
function current(config: Json): Json {
  const lowest = (steps?: Json[]) => steps?.[0]?.value === null && (steps[0].value = -Infinity);
  lowest(config.defaults.thresholds?.steps);
  for (const one of config.overrides.flatMap((rule: Json) => rule.properties)) {
    if (one.id === 'thresholds') lowest(one.value.steps);
  }
  return config;
}

function Nothing({ panel, width, height }: Json) {
  const place = { width, height, display: 'flex', alignItems: 'center', justifyContent: 'center', opacity: 0.7 };
  return <div style={place}>{panel.fieldConfig.defaults.noValue}</div>;
}

const empty = (frames: DataFrame[]) => frames.every(({ length }) => length === 0);

function Tile({ panel, frames, width, height }: Json) {
  const theme = useTheme2();
  const { reduceOptions, colorMode, graphMode, justifyMode, textMode, text, orientation, wideLayout } = panel.options;
  const values = () => getFieldDisplayValues({
    fieldConfig: panel.fieldConfig, reduceOptions, replaceVariables: asIs, theme, data: frames, timeZone: 'utc',
  });
  return (
    <VizRepeater getValues={values} getAlignmentFactors={getDisplayValueAlignmentFactors as Json} itemSpacing={3}
      autoGrid width={width} height={height} source={frames} renderCounter={1} orientation={orientation as VizOrientation}
      renderValue={({ value, count, alignmentFactors, ...size }: Json) => (
        <BigValue value={value.display} {...{ count, colorMode, graphMode, textMode, text, alignmentFactors, theme }}
          justifyMode={justifyMode} width={size.width} height={size.height} disableWideLayout={!wideLayout} />
      )} />
  );
}

function Lines({ panel, frames, width, height, range, regions }: Json) {
  const drawn = useMemo(() => frames.map((one: DataFrame) => ({ ...one, fields: one.fields.map((field) => ({
    ...field,
    values: field.values.map((value: number) => (Number.isFinite(value) ? value : null)),
    config: { ...field.config, ...(field.type === FieldType.time ? {} : { custom: { ...LINES, ...said(field) } }) },
  })) })), [frames]);
  if (empty(frames)) return <Nothing {...{ panel, width, height }} />;
  return (
    <TimeSeries frames={drawn} structureRev={1} timeRange={range} timeZone="utc" width={width} height={height}
      legend={panel.options.legend} options={panel.options}>
      {(config: Json) => <Regions config={config} regions={regions} />}
    </TimeSeries>
  );
}

const said = ({ config }: Json) => Object.fromEntries(
  Object.entries(config.custom ?? {}).filter(([key, value]) => value != null && !(key === 'stacking' && !(value as Json).mode)),
);

/** Marks the regions as Grafana does: a tenth of their colour, and a bar below. */
function Regions({ config, regions }: Json) {
  useMemo(() => config.addHook('draw', ({ ctx, bbox, valToPos }: Json) => {
    for (const [begin, end, colour] of regions) {
      const [left, right] = [begin, end].map((at) => Math.max(bbox.left, valToPos(at, 'x', true)));
      ctx.save();
      ctx.fillStyle = colour;
      ctx.fillRect(left, bbox.top + bbox.height, right - left, 4);
      ctx.globalAlpha = 0.1;
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
      ctx.restore();
    }
  }), [config]);
  return null;
}

function Rows({ panel, frames, width, height, range }: Json) {
  if (empty(frames)) return <Nothing {...{ panel, width, height }} />;
  return (
    <TableNG data={frames[0]} width={width} height={height} sortBy={panel.options.sortBy ?? panel.sortBy}
      sortByBehavior="initial" cellHeight={'sm' as Json} timeRange={range} structureRev={1}
      fieldConfig={panel.fieldConfig} enableVirtualization={false} />
  );
}

/** Returns how long each state of a series lasts: [begin, end, value]. */
function lasting(time: Json, field: Json) {
  const found: Array<[number, number, number]> = [];
  time.values.forEach((at: number, index: number) => {
    const last = found.at(-1);
    const end = at + time.config.interval;
    if (last && last[1] === at && last[2] === field.values[index]) last[1] = end;
    else found.push([at, end, field.values[index]]);
  });
  return found;
}

/** Stands for Grafana's state timeline: a band a series, a block as long as a state lasts. */
function Bands({ panel, frames, width, height, range }: Json) {
  const { colors } = useTheme2();
  if (empty(frames)) return <Nothing {...{ panel, width, height }} />;
  const bands = frames.map((one: DataFrame) => ({ one, time: one.fields[0], field: one.fields[1] }));
  const states = new Map<string, string>();
  for (const { field } of bands) {
    for (const value of field.values) states.set(formattedValueToString(field.display(value)), field.display(value).color);
  }
  const items = [...states].map(([label, color]) => ({ label, color, yAxis: 1 }));
  const legend = (
    <VizLayout.Legend placement="bottom"><VizLegend placement="bottom" displayMode={'list' as Json} items={items as Json} /></VizLayout.Legend>
  );
  return (
    <VizLayout width={width} height={height} legend={legend}>
      {(w: number, h: number) => {
        const left = 80;
        const each = h / bands.length;
        const x = (at: number) => left + ((w - left) * (at - range.from.valueOf())) / (range.to.valueOf() - range.from.valueOf());
        return (
          <svg width={w} height={h}>
            {bands.map(({ one, time, field }: Json, row: number) => (
              <g key={row}>
                <text x={left - 8} y={(row + 0.5) * each + 4} textAnchor="end" fontSize={12} fill={colors.text.primary}>
                  {getFieldDisplayName(field, one, frames)}
                </text>
                {lasting(time, field).map(([begin, end, value]) => (
                  <rect key={begin} x={x(begin)} y={(row + 0.05) * each} width={Math.min(x(end), w) - x(begin)} height={0.9 * each}
                    fill={field.display(value).color} fillOpacity={0.7} />
                ))}
              </g>
            ))}
          </svg>
        );
      }}
    </VizLayout>
  );
}

export const kinds: Json = { stat: Tile, timeseries: Lines, table: Rows, 'state-timeline': Bands };
