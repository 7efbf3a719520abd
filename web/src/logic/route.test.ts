import { describe, expect, it } from 'vitest';
import { roundedPath } from './route.ts';

describe('a line through points', () => {
    it.each([
        [[], ''],
        [[{ x: 1, y: 2 }], ''],
        [
            [
                { x: 0, y: 0 },
                { x: 10, y: 0 },
            ],
            'M0,0L10,0',
        ],
    ])('%j is %s', (points, path) => {
        expect(roundedPath(points)).toBe(path);
    });
    it('has round corners', () => {
        expect(
            roundedPath(
                [
                    { x: 0, y: 0 },
                    { x: 40, y: 0 },
                    { x: 40, y: 40 },
                ],
                8,
            ),
        ).toBe('M0,0L32,0Q40,0 40,8L40,40');
    });
    it('a corner is no larger than there is room for', () => {
        expect(
            roundedPath(
                [
                    { x: 0, y: 0 },
                    { x: 4, y: 0 },
                    { x: 4, y: 40 },
                ],
                8,
            ),
        ).toBe('M0,0L2,0Q4,0 4,8L4,40');
    });
    it('points that fall together are no trouble', () => {
        expect(
            roundedPath([
                { x: 0, y: 0 },
                { x: 0, y: 0 },
                { x: 5, y: 0 },
            ]),
        ).not.toContain('NaN');
    });
});
