/** A plan file as sections of rows, for the document viewer; nothing here trusts the file. */

export interface ISection {
  readonly title: string;
  readonly rows: readonly (readonly [string, string])[];
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

/**
 * The plan in sections.
 *
 * @throws Error - The text is no JSON object.
 */
export function viewOf(source: string): IPlanView {
  const plan = JSON.parse(source) as Json;
  if (!isObject(plan)) {
    throw new Error('The file holds no JSON object.');
  }
  const hypothesis = isObject(plan['hypothesis']) ? plan['hypothesis'] : {};
  const sections: ISection[] = [
    {
      title: 'Hypothesis',
      rows: [
        ['If', text(hypothesis['if'])],
        ['Then', list(hypothesis['then']).map(claim).join('; ')],
        ['Because', text(hypothesis['because'])]
      ]
    },
    {
      title: 'Variants',
      rows: list(plan['variants']).map(v =>
        isObject(v)
          ? [
              text(v['key']) + (v['control'] === true ? ' (control)' : ''),
              [typeof v['split'] === 'number' ? percent(v['split']) : '', words(v, ['key', 'split', 'control'])].filter(Boolean).join(' · ')
            ]
          : [text(v), '']
      )
    },
    {
      title: 'Metrics',
      rows: list(plan['metrics']).map(m =>
        isObject(m) ? [text(m['key']), [text(m['role']), words(m, ['key', 'role'])].filter(Boolean).join(' · ')] : [text(m), '']
      )
    }
  ];
  for (const [name, title] of [
    ['model', 'Model'],
    ['horizon', 'Results are due'],
    ['assignment', 'Assignment'],
    ['decision', 'Decision rule'],
    ['watch', 'Watch after shipping']
  ] as const) {
    const part = plan[name];
    if (isObject(part) && Object.keys(part).length > 0) {
      sections.push({ title, rows: Object.entries(part).map(([k, v]) => [k.replace(/_/g, ' '), text(v)] as const) });
    }
  }
  return { key: text(plan['key']), title: text(plan['title']), owner: text(plan['owner']), sections };
}
