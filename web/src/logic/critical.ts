/** The longest expected way through a batch: the server says which nodes lie on it, here it becomes edges to draw. */
import type { Graph } from './graph.ts';
import { nodeAt } from './graph.ts';
import { isEnded } from './states.ts';

export function edgeKey(from: number | string, to: number | string): string {
    return `${from}>${to}`;
}

/** Edges between neighbours of the way; what is not an edge of the graph is not drawn. */
export function criticalEdges(graph: Graph): Set<string> {
    const keys = new Set<string>();
    graph.critical.forEach((to, index) => {
        const from = graph.critical[index - 1];
        if (from !== undefined && graph.children.get(from)?.includes(to))
            keys.add(edgeKey(from, to));
    });
    return keys;
}

/** What of the way is still to come: nodes that have not ended, and their usual time, less what the first has run already. */
export function criticalLeft(graph: Graph, nowMs: number): { nodes: number; ms: number } {
    let nodes = 0;
    let ms = 0;
    for (const position of graph.critical) {
        const node = nodeAt(graph, position);
        if (!node || isEnded(node.state)) continue;
        nodes++;
        const ran = node.startedMs === null ? 0 : Math.max(0, nowMs - node.startedMs);
        ms += Math.max(0, node.durationMs - ran);
    }
    return { nodes, ms };
}
