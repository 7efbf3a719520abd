/** What the stream tells of a watched batch, merged into what the page has: only what changed becomes new, so only that is drawn again. */
import { withNodes, type Counts, type Graph, type GraphNode } from './graph.ts';
import { isNodeState } from './states.ts';

/** position, state, reason, run, attempt, started, ended */
export type NodeNews = readonly [
    number,
    string,
    string | null,
    string | null,
    number,
    number | null,
    number | null,
];

export interface BatchNews {
    batchId: string;
    state: string;
    counts: Record<string, number>;
    hold: unknown;
    nodes: readonly NodeNews[];
}

/** The very same graph when nothing is new. Unknown nodes mean that the page is behind: `isBehind`, and it reads again. */
export function mergeNodes(
    graph: Graph,
    news: readonly NodeNews[],
): { graph: Graph; isBehind: boolean } {
    let nodes: GraphNode[] | undefined;
    let isBehind = false;
    for (const [position, state, reason, runId, attempt, startedMs, endedMs] of news) {
        const index = graph.at.get(position);
        if (index === undefined || !isNodeState(state)) {
            isBehind = true;
            continue;
        }
        const old = (nodes ?? graph.nodes)[index]!;
        const next = {
            ...old,
            state,
            reason,
            runId: runId ?? old.runId,
            attempt,
            startedMs,
            endedMs,
        };
        if (isSame(old, next)) continue;
        nodes ??= [...graph.nodes];
        nodes[index] = next;
    }
    return { graph: nodes ? withNodes(graph, nodes) : graph, isBehind };
}

/** A whole answer over an older one: nodes that are as they were stay the same objects. */
export function adopt(old: Graph | undefined, next: Graph): Graph {
    if (!old) return next;
    let isNew = old.nodes.length !== next.nodes.length;
    const nodes = next.nodes.map((node) => {
        const index = old.at.get(node.position);
        const before = index === undefined ? undefined : old.nodes[index];
        if (before && isSame(before, node)) return before;
        isNew = true;
        return node;
    });
    const sameShape =
        old.edges.length === next.edges.length &&
        old.edges.every(
            ([from, to], index) => next.edges[index]![0] === from && next.edges[index]![1] === to,
        );
    const sameWay =
        old.critical.length === next.critical.length &&
        old.critical.every((position, index) => next.critical[index] === position);
    if (!sameShape) return { ...next, nodes };
    const critical = sameWay ? old.critical : next.critical;
    if (!isNew && sameWay) return old;
    return { ...old, at: next.at, nodes, critical };
}

const fields = [
    'state',
    'reason',
    'runId',
    'attempt',
    'startedMs',
    'endedMs',
    'stack',
    'component',
    'workflow',
    'level',
    'durationMs',
    'runUrl',
    'command',
] as const satisfies readonly (keyof GraphNode)[];
function isSame(a: GraphNode, b: GraphNode): boolean {
    return fields.every((field) => a[field] === b[field]) && sameCounts(a.counts, b.counts);
}
function sameCounts(a: Counts | null, b: Counts | null): boolean {
    if (a === null || b === null) return a === b;
    return (
        a.create === b.create &&
        a.change === b.change &&
        a.replace === b.replace &&
        a.destroy === b.destroy
    );
}
