// What the panels ask of Prometheus, as Grafana's data source asks it, and its answers as data frames.
import { FieldType, rangeUtil, type DataFrame, type TimeRange } from '@grafana/data';

export type Json = any;
export type Chosen = Record<string, string>;

const SCRAPE = 10; // seconds, as the demo's settings have it
const LENGTHS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Returns the seconds of a span like `30m`. */
export const shown = (span: string) => Number(span.slice(0, -1)) * LENGTHS[span.slice(-1)];

async function prometheus(path: string, query: Record<string, string | number>) {
  const body = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]));
  const answer = await (await fetch(`api/v1/${path}`, { method: 'POST', body })).json();
  if (answer.status !== 'success') throw new Error(`${answer.error}: ${query.query}`);
  return answer.data.result as Json[];
}

const filled = (expr: string, values: Chosen) =>
  expr.replace(/\$(\w+)|\$\{(\w+)\}/g, (whole, bare, braced) => values[bare ?? braced] ?? whole);
const named = (legend: string, labels: Chosen) => legend.replace(/\{\{(\w+)\}\}/g, (_, label) => labels[label] ?? '');

function spans(range: TimeRange, width: number, finest?: string) {
  const { intervalMs } = rangeUtil.calculateInterval(range, Math.max(100, Math.round(width)), finest ?? `${SCRAPE}s`);
  const step = Math.max(SCRAPE, Math.round(intervalMs / 1000));
  const back = Math.round((range.to.valueOf() - range.from.valueOf()) / 1000);
  return {
    step,
    values: { __interval: `${step}s`, __rate_interval: `${Math.max(step + SCRAPE, 4 * SCRAPE)}s`, __range: `${back}s` },
  };
}

/** Returns the answers to a panel's queries. */
export async function asked(panel: Json, chosen: Chosen, range: TimeRange, width: number): Promise<DataFrame[]> {
  const { step, values } = spans(range, width, panel.interval);
  const several = panel.targets.length > 1;
  const found = await Promise.all(panel.targets.map(async (target: Json) => {
    const query = filled(target.expr, { ...chosen, ...values });
    const [from, to] = [range.from, range.to].map((at) => Math.floor(at.valueOf() / 1000));
    if (target.format === 'table') {
      return [rows(target.refId, several, await prometheus('query', { query, time: to }))];
    }
    if (target.instant) {
      const now = await prometheus('query', { query, time: to });
      return now.map(({ metric, value }) => series(target, metric, [value], step));
    }
    const [start, end] = [from, to].map((at) => Math.floor(at / step) * step);
    const lines = await prometheus('query_range', { query, start, end, step });
    return lines.map(({ metric, values: points }) => series(target, metric, points, step));
  }));
  return found.flat();
}

function rows(refId: string, several: boolean, found: Json[]): DataFrame {
  const labels = [...new Set(found.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const text = labels.map((name) => ({
    name, type: FieldType.string, config: {}, values: found.map(({ metric }) => metric[name] ?? ''),
  }));
  const time = { name: 'Time', type: FieldType.time, config: {}, values: found.map(({ value }) => value[0] * 1000) };
  const name = several ? `Value #${refId}` : 'Value';
  const value = { name, type: FieldType.number, config: {}, values: found.map((one) => Number(one.value[1])) };
  return { refId, length: found.length, fields: [time, ...text, value] };
}

function series(target: Json, labels: Chosen, points: Array<[number, string]>, step: number): DataFrame {
  const name = named(target.legendFormat, labels);
  const config = { displayNameFromDS: name };
  return {
    refId: target.refId, name, length: points.length,
    fields: [
      { name: 'Time', type: FieldType.time, config: { interval: step * 1000 }, values: points.map(([at]) => at * 1000) },
      { name: 'Value', type: FieldType.number, config, labels, values: points.map(([, value]) => Number(value)) },
    ],
  };
}

/** Returns the regions that the board's annotations mark at first: [begin, end, colour] each. */
export async function marks(board: Json, chosen: Chosen, range: TimeRange): Promise<Array<[number, number, string]>> {
  const found: Array<[number, number, string]> = [];
  for (const layer of board.annotations.list.filter((one: Json) => one.enable && one.expr)) {
    const step = shown(layer.step);
    const [start, end] = [range.from, range.to].map((at) => Math.ceil(at.valueOf() / 1000 / step) * step);
    const lines = await prometheus('query_range', { query: filled(layer.expr, chosen), start, end, step });
    for (const [at] of lines.flatMap((line) => line.values)) {
      const last = found.at(-1);
      if (last && at * 1000 - last[1] <= step * 1000) last[1] = at * 1000;
      else found.push([at * 1000, at * 1000, layer.iconColor]);
    }
  }
  return found;
}
