/** Graphs for specs. */
import { graphOf, type Edge, type Graph, type GraphNode } from './graph.ts';

export function node(position: number, more: Partial<GraphNode> = {}): GraphNode {
    return {
        position,
        stack: 'dev',
        component: `c${position}`,
        workflow: 'plan.yaml',
        state: 'waiting',
        level: 0,
        durationMs: 60_000,
        reason: null,
        runId: null,
        runUrl: null,
        command: 'plan',
        counts: null,
        attempt: 0,
        startedMs: null,
        endedMs: null,
        ...more,
    };
}

/**
 *     0 → 1 → 3 → 5
 *      ↘ 2 ↗ ↘ 4        6 (alone)
 */
export function diamond(more: Partial<GraphNode>[] = []): Graph {
    const levels = [0, 1, 1, 2, 3, 3, 0];
    const edges: Edge[] = [
        [0, 1],
        [0, 2],
        [1, 3],
        [2, 3],
        [3, 4],
        [3, 5],
    ];
    return graphOf(
        levels.map((level, position) => node(position, { level, ...more[position] })),
        edges,
        [0, 2, 3, 5],
    );
}

/** So many nodes in layers of a hundred; each waits for three of the layer before. */
export function layered(count: number): Graph {
    const edges: Edge[] = [];
    const nodes: GraphNode[] = [];
    for (let position = 0; position < count; position++) {
        const level = Math.floor(position / 100);
        nodes.push(node(position, { level, stack: `stack-${position % 40}` }));
        if (level > 0)
            for (const back of [100, 101, 137])
                if (position - back >= (level - 1) * 100 && position - back < level * 100)
                    edges.push([position - back, position]);
    }
    return graphOf(nodes, edges);
}
