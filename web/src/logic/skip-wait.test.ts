import { describe, expect, it } from 'vitest';
import { nodeStates } from './states.ts';
import { isWaitSkippable, skippedText } from './skip-wait.ts';

describe('the wait for a lock', () => {
    it('is skipped only where a lock stands in the way now', () => {
        const skippable = nodeStates.filter((state) => isWaitSkippable(state, { token: 3 }));
        expect(skippable).toEqual(['locked']);
    });
    it('is not skipped behind a live run or a full runner, which have the same state and no lock', () => {
        expect(isWaitSkippable('locked', null)).toBe(false);
    });
    it.each([
        [{ lockEnded: true }, 'The lock has ended: it goes on.'],
        [{ lockEnded: false }, 'The lock had ended already: it goes on.'],
        [{ state: 'pending', factId: 7 }, 'Accepted: the lock ends in a moment.'],
        [null, 'The lock has ended: it goes on.'],
    ])('%j means: %s', (outcome, text) => {
        expect(skippedText(outcome)).toBe(text);
    });
});
