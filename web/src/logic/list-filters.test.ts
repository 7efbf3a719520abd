import { describe, expect, it } from 'vitest';
import {
    askFor,
    changeFilter,
    momentOf,
    readFilters,
    rfc3339,
    toggleValue,
    type FilterField,
} from './list-filters.ts';

const fields: FilterField[] = [
    { name: 'command', kind: 'one', values: ['plan', 'apply'] },
    { name: 'state', kind: 'many', values: ['running', 'failure', 'success'] },
    { name: 'stack', kind: 'text' },
    { name: 'since', kind: 'age' },
];
const now_ms = Date.parse('2026-11-21T20:00:42Z');

describe('filters in the address', () => {
    it('are read as they were written', () => {
        const filters = {
            command: 'plan',
            state: 'running,failure',
            stack: 'dev-<script>',
            since: '24h',
        };
        expect(readFilters(fields, filters)).toEqual(filters);
    });

    it.each([
        ['a value that is none', { command: 'destroy' }, {}],
        [
            'some values that are none',
            { state: 'failure,<b>,running' },
            { state: 'running,failure' },
        ],
        ['a repeated parameter', { state: ['failure', 'running'] }, { state: 'running,failure' }],
        ['a stack that looks like a number', { stack: 17 }, { stack: '17' }],
        ['a time that is none', { since: 'yesterday' }, {}],
        ['an empty text', { stack: '' }, {}],
        ['an object', { stack: { a: 1 } }, {}],
        ['what is no filter', { cursor: 'x' }, {}],
        ['an endless text', { stack: 'x'.repeat(900) }, { stack: 'x'.repeat(300) }],
    ])('%s', (_, search, expected) => {
        expect(readFilters(fields, search)).toEqual(expected);
    });

    it('are set, changed and taken away one by one', () => {
        const one = changeFilter({}, 'stack', 'dev');
        expect(changeFilter(one, 'command', 'plan')).toEqual({ stack: 'dev', command: 'plan' });
        expect(changeFilter(one, 'stack', '')).toEqual({});
    });

    it('put values in and out, in the order of the table', () => {
        const state = fields[1]!;
        expect(toggleValue(state, 'success', 'running')).toBe('running,success');
        expect(toggleValue(state, 'running,success', 'running')).toBe('success');
        expect(toggleValue(state, 'success', 'success')).toBe('');
    });
});

describe('what is asked of the server', () => {
    it('has moments where the address has spans, the same within a minute', () => {
        expect(askFor(fields, { stack: 'dev', since: '24h' }, now_ms)).toEqual({
            stack: 'dev',
            since: '2026-11-20T20:00:00Z',
        });
        expect(askFor(fields, { since: '24h' }, now_ms + 17_000)).toEqual(
            askFor(fields, { since: '24h' }, now_ms),
        );
    });

    it.each([
        ['15m', '2026-11-21T19:45:00Z'],
        ['7d', '2026-11-14T20:00:00Z'],
        ['2w', '2026-11-07T20:00:00Z'],
        ['2026-11-01', '2026-11-01T00:00:00Z'],
        ['2026-11-01T08:00:00+02:00', '2026-11-01T06:00:00Z'],
    ])('%s is %s', (value, expected) => {
        expect(rfc3339(momentOf(value, now_ms)!)).toBe(expected);
    });

    it.each(['', 'h', '5y', '99999d', '2026-13-40', 'now'])('%j is no time', (value) => {
        expect(momentOf(value, now_ms)).toBeNull();
    });
});
