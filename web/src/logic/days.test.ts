import { describe, expect, it } from 'vitest';
import { byDay, dayWords } from './days.ts';

const now_ms = Date.parse('2026-11-21T20:00:00Z');
const at = (time: string) => Date.parse(time);

describe('days', () => {
    it.each([
        ['2026-11-21T00:00:00Z', 'Today'],
        ['2026-11-20T23:59:59Z', 'Yesterday'],
        ['2026-11-18T12:00:00Z', 'Wed 18 Nov'],
        ['2025-11-18T12:00:00Z', '18 Nov 2025'],
    ])('%s is %s', (time, words) => {
        expect(dayWords(at(time), now_ms)).toBe(words);
    });
});

describe('rows by day', () => {
    it('have a line before the first row of each day', () => {
        const rows = ['2026-11-21T09:00:00Z', '2026-11-21T08:00:00Z', '2026-11-20T08:00:00Z'];
        const shown = byDay(rows, at, now_ms).map((row) =>
            typeof row === 'string' ? row : row.title,
        );
        expect(shown).toEqual(['Today', rows[0], rows[1], 'Yesterday', rows[2]]);
    });

    it('keep a row without a time where it is', () => {
        const rows = [1, null, 2].map((n) => ({ n }));
        const shown = byDay(rows, (row) => (row.n === null ? null : now_ms), now_ms);
        expect(shown).toEqual([{ group: expect.any(String), title: 'Today' }, ...rows]);
        expect(byDay([], () => 0, now_ms)).toEqual([]);
    });
});
