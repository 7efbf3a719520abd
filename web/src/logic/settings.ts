/*
 * Settings of a repository as a form: values as one types them, judged by the table that the server gives (GET
 * /api/v1/settings/repository), so that bounds and words stand in one place.
 */

export interface SettingRow {
    name: string;
    type: 'integer' | 'boolean' | 'choice' | 'name';
    default: number | boolean | string;
    min?: number | null;
    max?: number | null;
    /** What a choice may be. */
    options?: readonly string[];
    doc: string;
    group?: string;
}
export type SettingValue = number | boolean | string;
export type SettingValues = Readonly<Record<string, SettingValue>>;
/** As they stand in the form: numbers are texts until they are judged. */
export type Draft = Readonly<Record<string, string | boolean>>;
export interface SettingChange {
    name: string;
    from: SettingValue;
    to: SettingValue;
}

export function draftOf(rows: readonly SettingRow[], values: SettingValues): Draft {
    const out: Record<string, string | boolean> = {};
    for (const row of rows) {
        const value = values[row.name] ?? row.default;
        out[row.name] = row.type === 'boolean' ? value === true : String(value);
    }
    return out;
}

/** What is wrong with a typed value and what would be right, or null. */
export function wrongIn(row: SettingRow, typed: string | boolean): string | null {
    if (row.type === 'boolean') return typeof typed === 'boolean' ? null : 'Choose on or off.';
    const text = String(typed).trim();
    if (row.type === 'choice')
        return row.options?.includes(text) ? null : 'Choose one of these.';
    if (row.type === 'name')
        return /^([A-Za-z0-9_][A-Za-z0-9_-]{0,63})?$/.test(text)
            ? null
            : 'Letters, digits, _ and -, at most 64.';
    if (text === '') return `Type a whole number${boundsWords(row)}.`;
    if (!/^[+-]?\d+$/.test(text)) return `“${text.slice(0, 20)}” is no whole number.`;
    const value = Number(text);
    if (!Number.isSafeInteger(value)) return `That is too large${boundsWords(row)}.`;
    if (row.min !== null && row.min !== undefined && value < row.min)
        return `At least ${row.min.toLocaleString('en')}.`;
    if (row.max !== null && row.max !== undefined && value > row.max)
        return `At most ${row.max.toLocaleString('en')}.`;
    return null;
}

export function wrongsIn(rows: readonly SettingRow[], draft: Draft): Record<string, string> {
    const out: Record<string, string> = {};
    for (const row of rows) {
        const wrong = wrongIn(row, draft[row.name] ?? '');
        if (wrong !== null) out[row.name] = wrong;
    }
    return out;
}

/** What saving would change, in the order of the table. Of a draft without wrongs. */
export function changesOf(
    rows: readonly SettingRow[],
    values: SettingValues,
    draft: Draft,
): SettingChange[] {
    const out: SettingChange[] = [];
    for (const row of rows) {
        const from = values[row.name] ?? row.default;
        const typed = draft[row.name] ?? '';
        if (wrongIn(row, typed) !== null) continue;
        const text = String(typed).trim();
        const to =
            row.type === 'boolean' ? typed === true : row.type === 'integer' ? Number(text) : text;
        if (to !== from) out.push({ name: row.name, from, to });
    }
    return out;
}

export function settingWords(value: SettingValue): string {
    if (typeof value === 'string') return value === '' ? 'none' : value;
    return typeof value === 'boolean' ? (value ? 'on' : 'off') : value.toLocaleString('en');
}

/** "dispatch_concurrency" → "Dispatch concurrency". */
export function labelOf(name: string): string {
    const words = name.replaceAll('_', ' ');
    return words.charAt(0).toUpperCase() + words.slice(1);
}

export function boundsWords(row: SettingRow): string {
    const { min, max } = row;
    if (typeof min !== 'number' || typeof max !== 'number') return '';
    return `, ${min.toLocaleString('en')} to ${max.toLocaleString('en')}`;
}

/** The rows by group, groups in the order of their first row; without groups of the server by what they are about. */
export function groupsOf(rows: readonly SettingRow[]): { name: string; rows: SettingRow[] }[] {
    const groups = new Map<string, SettingRow[]>();
    for (const row of rows) {
        const name = row.group ?? groupOf(row.name);
        const group = groups.get(name);
        if (group) group.push(row);
        else groups.set(name, [row]);
    }
    return [...groups].map(([name, of]) => ({ name, rows: of }));
}

function groupOf(name: string): string {
    if (/^(threshold|rapid_push)/.test(name)) return 'Holds';
    if (/^(comment|reviews)/.test(name)) return 'Feedback';
    if (/_minutes$/.test(name)) return 'Waiting';
    return 'Dispatching';
}
