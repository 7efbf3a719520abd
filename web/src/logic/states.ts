/** The states of a node, as the API names them, and what they mean together. Words and colours are the page's. */
export const nodeStates = [
    'waiting',
    'ready',
    'locked',
    'dispatching',
    'queued',
    'running',
    'waiting_approval',
    'cancelling',
    'success',
    'failure',
    'cancelled',
    'timed_out',
    'skipped',
    'superseded',
    'error',
    'not_dispatched',
] as const;
export type NodeState = (typeof nodeStates)[number];

/** What the eye looks for: wrong first, then what needs somebody, what moves, what waits, what is done. */
export type Mood = 'bad' | 'needs' | 'active' | 'waiting' | 'good' | 'gone';

const moods: Record<NodeState, Mood> = {
    failure: 'bad',
    timed_out: 'bad',
    error: 'bad',
    locked: 'needs',
    waiting_approval: 'needs',
    dispatching: 'active',
    queued: 'active',
    running: 'active',
    cancelling: 'active',
    waiting: 'waiting',
    ready: 'waiting',
    success: 'good',
    cancelled: 'gone',
    skipped: 'gone',
    superseded: 'gone',
    not_dispatched: 'gone',
};
export const moodOrder: readonly Mood[] = ['bad', 'needs', 'active', 'waiting', 'gone', 'good'];

export function isNodeState(text: string): text is NodeState {
    return Object.hasOwn(moods, text);
}
export function moodOf(state: NodeState): Mood {
    return moods[state];
}
/** It ran, or should have, and did not come to a good end. */
export function isBad(state: NodeState): boolean {
    return moods[state] === 'bad';
}
/** The forge may be working on it. */
export function isLive(state: NodeState): boolean {
    return moods[state] === 'active' || state === 'waiting_approval';
}
export function isEnded(state: NodeState): boolean {
    return moods[state] === 'bad' || moods[state] === 'good' || moods[state] === 'gone';
}
/** What the API takes back into the queue. */
export function isRetryable(state: NodeState): boolean {
    return isBad(state) || state === 'cancelled';
}

/** States in the order of the progress bar, those that occur, with their counts. */
export function countStates(states: Iterable<NodeState>): Map<NodeState, number> {
    const counts = new Map<NodeState, number>();
    for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1);
    return counts;
}

const barOrder: readonly NodeState[] = [
    'success',
    'failure',
    'timed_out',
    'error',
    'running',
    'cancelling',
    'waiting_approval',
    'queued',
    'dispatching',
    'locked',
    'ready',
    'waiting',
    'skipped',
    'cancelled',
    'superseded',
    'not_dispatched',
];
export function inBarOrder(counts: ReadonlyMap<NodeState, number>): [NodeState, number][] {
    return barOrder.flatMap((state) => {
        const count = counts.get(state) ?? 0;
        return count > 0 ? [[state, count] as [NodeState, number]] : [];
    });
}

/** Of what can be dispatched at all: how much has ended. */
export function progressOf(counts: ReadonlyMap<NodeState, number>): { done: number; of: number } {
    let done = 0;
    let of = 0;
    for (const [state, count] of counts) {
        if (state === 'not_dispatched') continue;
        of += count;
        if (isEnded(state)) done += count;
    }
    return { done, of };
}
