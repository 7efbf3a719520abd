/*
 * Filters of a list, and the part of the address that keeps them. A page names its filters in a table; what somebody
 * typed into the address and is none of the table's values is left out, so that a broken link shows a list and no error.
 */

export interface FilterField {
    name: string;
    /** one: one of `values`; many: some of them; text: anything; age: a span ("24h") or a moment. */
    kind: 'one' | 'many' | 'text' | 'age';
    values?: readonly string[];
}
export type Filters = Readonly<Record<string, string>>;

const TEXT_LENGTH_MAX = 300;

/** What the address says, each value clean; fields that are not set are not there. */
export function readFilters(fields: readonly FilterField[], search: object): Filters {
    const out: Record<string, string> = {};
    for (const field of fields) {
        const value = cleanValue(field, textOf((search as Record<string, unknown>)[field.name]));
        if (value !== '') out[field.name] = value;
    }
    return out;
}

/** One filter set to another value ('' takes it away); the others stay. */
export function changeFilter(filters: Filters, name: string, value: string): Filters {
    const out: Record<string, string> = { ...filters };
    delete out[name];
    if (value !== '') out[name] = value;
    return out;
}

/** A value of a many-field put in or taken out, in the order of the table. */
export function toggleValue(field: FilterField, value: string, one: string): string {
    const have = new Set(splitValues(value));
    if (!have.delete(one)) have.add(one);
    return (field.values ?? [...have]).filter((v) => have.has(v)).join(',');
}

export function splitValues(value: string | undefined): string[] {
    return value === undefined || value === '' ? [] : value.split(',');
}

/** As the API wants them: spans of time become moments. A span is cut to its minute, so that a page that is read again asks the same. */
export function askFor(
    fields: readonly FilterField[],
    filters: Filters,
    now_ms: number,
): Record<string, string> {
    const out: Record<string, string> = {};
    for (const field of fields) {
        const value = filters[field.name];
        if (value === undefined) continue;
        if (field.kind !== 'age') {
            out[field.name] = value;
            continue;
        }
        const at_ms = momentOf(value, now_ms);
        if (at_ms !== null) out[field.name] = rfc3339(at_ms);
    }
    return out;
}

/** "24h", "7d" before now, or a moment as it stands; null when it is neither. */
export function momentOf(value: string, now_ms: number): number | null {
    const span = /^(\d{1,4})([mhdw])$/.exec(value);
    if (span) {
        const unit_ms = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }[
            span[2] as 'm' | 'h' | 'd' | 'w'
        ];
        return Math.floor(now_ms / 60_000) * 60_000 - Number(span[1]) * unit_ms;
    }
    if (!/^\d{4}-\d\d-\d\d/.test(value)) return null;
    const at_ms = Date.parse(value);
    return Number.isNaN(at_ms) ? null : at_ms;
}

/** Whole seconds in UTC, as the API reads and writes times. */
export function rfc3339(at_ms: number): string {
    return `${new Date(at_ms).toISOString().slice(0, 19)}Z`;
}

function textOf(value: unknown): string {
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    if (Array.isArray(value)) return value.map(textOf).join(',');
    return '';
}

function cleanValue(field: FilterField, value: string): string {
    switch (field.kind) {
        case 'one':
            return field.values?.includes(value) ? value : '';
        case 'many': {
            const asked = new Set(splitValues(value));
            return (field.values ?? [...asked]).filter((v) => asked.has(v)).join(',');
        }
        case 'age':
            return momentOf(value, 0) === null ? '' : value;
        case 'text':
            return value.slice(0, TEXT_LENGTH_MAX);
    }
}
