/** What the batch page shows of its nodes, as it stands in the address: readable, and everything left at its default is left out. */
import { collapses, type CollapseBy } from './collapse.ts';
import { focuses, type Focus } from './focus.ts';
import type { GraphNode } from './graph.ts';
import { isNodeState, moodOf, type Mood, type NodeState } from './states.ts';

export type BatchView = 'table' | 'graph' | 'waterfall';
export const batchViews: readonly BatchView[] = ['table', 'graph', 'waterfall'];

export interface BatchSearch {
    node?: number;
    view?: BatchView;
    /** States, or `failed`, `active`, `waiting` …; several with commas. */
    state?: string;
    stack?: string;
    component?: string;
    q?: string;
    focus?: Focus;
    fold?: CollapseBy;
}

/** Anything may stand in an address; what is not understood is as if it were not there. */
export function readSearch(raw: Record<string, unknown>): BatchSearch {
    const search: BatchSearch = {};
    const node = typeof raw['node'] === 'number' ? raw['node'] : Number(raw['node'] ?? NaN);
    if (raw['node'] !== '' && Number.isSafeInteger(node) && node >= 0) search.node = node;
    const view = oneOf(batchViews, raw['view']);
    if (view && view !== 'table') search.view = view;
    const focus = oneOf(focuses, raw['focus']);
    if (focus) search.focus = focus;
    const fold = oneOf(collapses, raw['fold']);
    if (fold) search.fold = fold;
    for (const name of ['state', 'stack', 'component', 'q'] as const) {
        const value = raw[name];
        const text =
            typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
        if (typeof text === 'string' && text !== '') search[name] = text.slice(0, 500);
    }
    return search;
}

function oneOf<T extends string>(known: readonly T[], value: unknown): T | undefined {
    return known.find((one) => one === value);
}

/** Words for several states at once. */
export const stateWords: Readonly<Record<string, readonly Mood[]>> = {
    failed: ['bad'],
    blocked: ['needs'],
    active: ['active'],
    waiting: ['waiting'],
    skipped: ['gone'],
    done: ['good'],
};

export function statesOf(text: string | undefined): (state: NodeState) => boolean {
    const words = (text ?? '').split(',').filter((word) => isNodeState(word) || word in stateWords);
    if (words.length === 0) return () => true;
    return (state) =>
        words.some(
            (word) => word === state || (stateWords[word]?.includes(moodOf(state)) ?? false),
        );
}

export function isFiltered(search: BatchSearch): boolean {
    return Boolean(search.state || search.stack || search.component || search.q);
}

/** All words of the text have to occur, somewhere in component, stack or workflow. */
export function filterNodes(
    nodes: readonly GraphNode[],
    search: BatchSearch,
): readonly GraphNode[] {
    if (!isFiltered(search)) return nodes;
    const hasState = statesOf(search.state);
    const words = wordsOf(search.q ?? '');
    return nodes.filter(
        (node) =>
            hasState(node.state) &&
            (!search.stack || node.stack === search.stack) &&
            (!search.component || node.component === search.component) &&
            matches(node, words),
    );
}

export function wordsOf(text: string): string[] {
    return text.toLowerCase().split(/\s+/).filter(Boolean);
}
export function matches(node: GraphNode, words: readonly string[]): boolean {
    if (words.length === 0) return true;
    const text = `${node.component} ${node.stack} ${node.workflow}`.toLowerCase();
    return words.every((word) => text.includes(word));
}
