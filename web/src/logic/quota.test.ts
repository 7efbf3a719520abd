import { describe, expect, it } from 'vitest';
import { quotaParts, type QuotaFigures } from './quota.ts';

const figures: QuotaFigures = { limit: 5000, remaining: 4000, reserved: 500, claimed: 300 };
const calls = (change: Partial<QuotaFigures>) =>
    quotaParts({ ...figures, ...change })?.map((part) => part.calls) ?? null;

describe('the parts of a quota', () => {
    it.each([
        ['as they are', {}, [1000, 300, 500, 3200]],
        ['nothing left', { remaining: 0 }, [5000, 0, 0, 0]],
        ['more is claimed than remains', { remaining: 100 }, [4900, 100, 0, 0]],
        ['the forge says more than the limit', { remaining: 9000 }, [0, 300, 500, 4200]],
        ['nothing is kept back', { reserved: null }, [1000, 300, 0, 3700]],
        ['a figure that is nonsense', { reserved: -5, remaining: -1 }, [5000, 0, 0, 0]],
        ['nothing is known', { limit: null }, null],
        ['remaining is not known', { remaining: null }, null],
        ['no quota', { limit: 0 }, null],
    ])('%s', (_, change, expected) => {
        expect(calls(change)).toEqual(expected);
    });

    it('always add up to the limit', () => {
        for (const remaining of [-10, 0, 17, 2500, 5000, 6000])
            expect(calls({ remaining })!.reduce((a, b) => a + b)).toBe(5000);
    });
});
