import { describe, expect, it } from 'vitest';
import { countdown, leftWords, readSpan } from './countdown.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('what remains', () => {
    it.each([
        [1, '0:01'],
        [9_000, '0:09'],
        [5 * MINUTE - 1, '5:00'],
        [59 * MINUTE + 59_000, '59:59'],
        [HOUR, '1 h'],
        [3 * HOUR + 20 * MINUTE, '3 h 20 min'],
        [51 * HOUR, '2 d 3 h'],
        [48 * HOUR, '2 d'],
    ])('%d ms: %s', (left_ms, words) => {
        expect(leftWords(left_ms)).toBe(words);
    });
});

describe('a countdown', () => {
    it('is calm, then soon, then over', () => {
        const at = (now_ms: number) => countdown(0, HOUR, now_ms).nearness;
        expect([at(0), at(54 * MINUTE), at(55 * MINUTE), at(HOUR), at(2 * HOUR)]).toEqual([
            'calm',
            'calm',
            'soon',
            'over',
            'over',
        ]);
    });

    it('of a short lock is soon only in its last tenth', () => {
        expect(countdown(0, MINUTE, 10_000).nearness).toBe('calm');
        expect(countdown(0, MINUTE, 55_000).nearness).toBe('soon');
    });

    it('says when its words change, and they do then and not before', () => {
        for (const now_ms of [0, 1, 1_234, 59 * MINUTE, HOUR - 1]) {
            const one = countdown(0, 2 * HOUR, now_ms);
            expect(one.next_ms).toBeGreaterThan(now_ms);
            expect(countdown(0, 2 * HOUR, one.next_ms).words).not.toBe(one.words);
            expect(countdown(0, 2 * HOUR, one.next_ms - 1).words).toBe(one.words);
        }
    });

    it('never changes again once it is over', () => {
        expect(countdown(0, 10, 10)).toEqual({
            words: 'expired',
            nearness: 'over',
            gone: 1,
            next_ms: Infinity,
        });
    });

    it('is not confused by a lock from the future', () => {
        expect(countdown(2_000, 10_000, 0).gone).toBe(0);
    });
});

describe('a typed span', () => {
    it.each([
        ['90', 90],
        ['30m', 1_800],
        ['15 min', 900],
        [' 2h ', 7_200],
        ['30D', 2_592_000],
    ])('%j is %d s', (text, seconds) => {
        expect(readSpan(text, 1, 2_592_000)).toEqual({ seconds });
    });

    it.each([
        ['', 'Write it like 30m, 2h or 3d.'],
        ['soon', 'Write it like 30m, 2h or 3d.'],
        ['-5m', 'Write it like 30m, 2h or 3d.'],
        ['0', 'At least 1 s.'],
        ['31d', 'At most 30 d.'],
    ])('%j is refused', (text, wrong) => {
        expect(readSpan(text, 1, 2_592_000)).toEqual({ wrong });
    });
});
