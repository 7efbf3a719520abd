/** A batch's graph in memory: nodes by position, edges as lists of positions. Pure; knows no page and no request. */
import type { NodeState } from './states.ts';

export interface Counts {
    create?: number;
    change?: number;
    replace?: number;
    destroy?: number;
}

export interface GraphNode {
    position: number;
    stack: string;
    component: string;
    workflow: string;
    state: NodeState;
    level: number;
    /** How long it usually takes; 0: not known. */
    durationMs: number;
    /** Why it stands as it does, in a word or a sentence; null: nothing to say. */
    reason: string | null;
    runId: string | null;
    /** The run at the forge. */
    runUrl: string | null;
    /** plan, apply, detect, remediate, or empty. */
    command: string;
    /** What the CLI counted; null: nothing was reported. */
    counts: Counts | null;
    attempt: number;
    startedMs: number | null;
    endedMs: number | null;
}

/** From, to: `to` waits for `from`. */
export type Edge = readonly [number, number];

export interface Graph {
    nodes: readonly GraphNode[];
    edges: readonly Edge[];
    /** Index in `nodes` by position. */
    at: ReadonlyMap<number, number>;
    parents: ReadonlyMap<number, readonly number[]>;
    children: ReadonlyMap<number, readonly number[]>;
    /** Positions on the longest expected way, first to last; empty: none known. */
    critical: readonly number[];
}

export function graphOf(
    nodes: readonly GraphNode[],
    edges: readonly Edge[],
    critical: readonly number[] = [],
): Graph {
    const at = new Map(nodes.map((node, index) => [node.position, index]));
    const parents = new Map<number, number[]>();
    const children = new Map<number, number[]>();
    const known = edges.filter(([from, to]) => at.has(from) && at.has(to) && from !== to);
    for (const [from, to] of known) {
        push(children, from, to);
        push(parents, to, from);
    }
    return {
        nodes,
        edges: known,
        at,
        parents,
        children,
        critical: critical.filter((position) => at.has(position)),
    };
}

function push(lists: Map<number, number[]>, key: number, value: number): void {
    const list = lists.get(key);
    if (list) list.push(value);
    else lists.set(key, [value]);
}

/** The same shape with other nodes (their states moved): edges and neighbours are not made again. */
export function withNodes(graph: Graph, nodes: readonly GraphNode[]): Graph {
    return { ...graph, nodes };
}

export function nodeAt(graph: Graph, position: number): GraphNode | undefined {
    const index = graph.at.get(position);
    return index === undefined ? undefined : graph.nodes[index];
}
