/** The wait for a lock, and what a person may do about it. */
import type { NodeState } from './states.ts';

/** Nothing else that a node waits for is ended by a person; a lock on the instance of a node that waits for others first is not in its way yet. */
export function isWaitSkippable(state: NodeState, lock: object | null): boolean {
    return state === 'locked' && lock !== null;
}

/** What the server's answer means. */
export function skippedText(outcome: Record<string, unknown> | null | undefined): string {
    if (outcome?.['state'] === 'pending') return 'Accepted: the lock ends in a moment.';
    if (outcome?.['lockEnded'] === false) return 'The lock had ended already: it goes on.';
    return 'The lock has ended: it goes on.';
}
