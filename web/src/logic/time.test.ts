import { expect, test } from 'vitest';
import { agoWords, durationWords, exactWords } from './time.ts';

const now = Date.UTC(2026, 10, 21, 20, 0, 0);

test.each([
    [0, '0 s'],
    [-5, '0 s'],
    [4200, '4.2 s'],
    [9999, '10.0 s'.replace('.0', '')],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [80_000, '1 min 20 s'],
    [3_600_000, '1 h'],
    [7_500_000, '2 h 5 min'],
    [86_400_000 * 3 + 3_600_000 * 4, '3 d 4 h'],
])('a span of %i ms reads %s', (ms, words) => {
    expect(durationWords(ms)).toBe(words);
});

test.each([
    [now, 'now'],
    [now - 4_999, 'now'],
    [now - 12_000, '12 s ago'],
    [now + 12_000, 'in 12 s'],
    [now - 3 * 60_000, '3 min ago'],
    [now + 2 * 3_600_000, 'in 2 h'],
    [now - 5 * 86_400_000, '5 d ago'],
    [now - 40 * 86_400_000, '2026-10-12'],
])('%i reads %s', (at, words) => {
    expect(agoWords(at, now)).toBe(words);
});

test('the exact time says its zone', () => {
    expect(exactWords(now)).toBe('2026-11-21 20:00:00 UTC');
});
