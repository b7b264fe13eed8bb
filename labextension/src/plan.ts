/** A plan file, or the data of a memo, as sections of rows for the document viewer; nothing here trusts the file. */

export interface ISection {
  readonly title: string;
  readonly rows: readonly (readonly [string, string])[];
}

/** Words of the viewer; a bundle of translations finds them here by their calls. */
export interface IBundle {
  __(text: string): string;
}

export interface IPlanView {
  readonly key: string;
  readonly title: string;
  readonly owner: string;
  readonly sections: readonly ISection[];
}

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type JsonObject = { [name: string]: Json };

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: Json | undefined): string {
  if (value === undefined || value === null) {
    return '';
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function list(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : [];
}

function words(object: JsonObject, skip: readonly string[]): string {
  return Object.entries(object)
    .filter(([name, value]) => !skip.includes(name) && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => `${name.replace(/_/g, ' ')} ${text(value)}`)
    .join(' · ');
}

function claim(value: Json): string {
  if (!isObject(value)) {
    return text(value);
  }
  const lift = typeof value['lift'] === 'number' ? ` by ${percent(value['lift'])}` : '';
  return `${text(value['metric'])} ${text(value['direction'])}${lift}`;
}

/** A share as per cent with a true minus. */
export function percent(share: number): string {
  return `${(share * 100).toLocaleString('en', { maximumFractionDigits: 2 })} %`.replace('-', '−');
}

function number(value: Json | undefined): string {
  return typeof value === 'number' ? value.toLocaleString('en', { maximumSignificantDigits: 4 }).replace('-', '−') : '';
}

function range(row: JsonObject, low: string, high: string, show: (value: Json | undefined) => string): string {
  return typeof row[low] !== 'number' || typeof row[high] !== 'number' ? '' : ` (${show(row[low])} … ${show(row[high])})`;
}

function share(value: Json | undefined): string {
  return typeof value === 'number' ? percent(value) : '';
}

/** One metric of a readout: effect and lift with their intervals. */
function result(row: JsonObject, trans: IBundle): readonly [string, string] {
  const effect = number(row['effect']) && `${trans.__('effect')} ${number(row['effect'])}${range(row, 'ci_low', 'ci_high', number)}`;
  const lift = share(row['lift']) && `${trans.__('lift')} ${share(row['lift'])}${range(row, 'lift_low', 'lift_high', share)}`;
  const name = [text(row['label']) || text(row['metric']), text(row['variant'])].filter(Boolean).join(' · ');
  return [name, [text(row['role']), effect, lift].filter(Boolean).join(' · ')];
}

/** Decision and results of a memo's payload. */
function memoSections(memo: JsonObject, readout: JsonObject, trans: IBundle): ISection[] {
  const decision = isObject(memo['decision']) ? memo['decision'] : {};
  const follows = decision['follows_rule'];
  const rows: [string, string][] = [
    [trans.__('Outcome'), [text(decision['outcome']), text(decision['variant'])].filter(Boolean).join(' ')],
    [trans.__('By'), text(decision['by'])],
    [trans.__('Because'), text(decision['because'])],
    [trans.__('At'), text(decision['at'])],
    [trans.__('As the rule advises'), follows === true ? trans.__('yes') : follows === false ? trans.__('no') : '']
  ];
  return [
    { title: trans.__('Decision'), rows: rows.filter(([, value]) => value !== '') },
    { title: trans.__('Results'), rows: list(readout['rows']).filter(isObject).map(row => result(row, trans)) }
  ];
}

/**
 * A plan in sections; of a memo's data the decision and the results before it.
 *
 * @throws Error - The text is no JSON object.
 */
export function viewOf(source: string, trans: IBundle): IPlanView {
  const found = JSON.parse(source) as Json;
  if (!isObject(found)) {
    throw new Error(trans.__('The file holds no JSON object.'));
  }
  const readout = found['readout'];
  const isMemo = isObject(readout) && isObject(readout['plan']);
  const plan: JsonObject = isMemo ? (readout['plan'] as JsonObject) : found;
  const hypothesis = isObject(plan['hypothesis']) ? plan['hypothesis'] : {};
  const sections: ISection[] = [
    ...(isMemo ? memoSections(found, readout, trans) : []),
    {
      title: trans.__('Hypothesis'),
      rows: [
        [trans.__('If'), text(hypothesis['if'])],
        [trans.__('Then'), list(hypothesis['then']).map(claim).join('; ')],
        [trans.__('Because'), text(hypothesis['because'])]
      ]
    },
    {
      title: trans.__('Variants'),
      rows: list(plan['variants']).map(v =>
        isObject(v)
          ? [
              text(v['key']) + (v['control'] === true ? ` (${trans.__('control')})` : ''),
              [share(v['split']), words(v, ['key', 'split', 'control'])].filter(Boolean).join(' · ')
            ]
          : [text(v), '']
      )
    },
    {
      title: trans.__('Metrics'),
      rows: list(plan['metrics']).map(m =>
        isObject(m) ? [text(m['key']), [text(m['role']), words(m, ['key', 'role'])].filter(Boolean).join(' · ')] : [text(m), '']
      )
    }
  ];
  const parts: [string, string][] = [
    ['model', trans.__('Model')],
    ['horizon', trans.__('Results are due')],
    ['assignment', trans.__('Assignment')],
    ['decision', trans.__('Decision rule')],
    ['watch', trans.__('Watch after shipping')]
  ];
  for (const [name, title] of parts) {
    const part = plan[name];
    if (isObject(part) && Object.keys(part).length > 0) {
      sections.push({ title, rows: Object.entries(part).map(([k, v]) => [k.replace(/_/g, ' '), text(v)] as const) });
    }
  }
  return { key: text(plan['key']), title: text(plan['title']), owner: text(plan['owner']), sections };
}
