/** Failures grouped by cause: forty nodes that failed for one reason are one thing to look at. */
import { compare } from './levels.ts';
import type { GraphNode } from './graph.ts';
import { isBad, type NodeState } from './states.ts';

export interface Cause {
    key: string;
    state: NodeState;
    /** The reason in words, without what differs from node to node; empty: none was told. */
    text: string;
    nodes: GraphNode[];
    /** Nodes that were skipped because of these. */
    skipped: number;
}

/** Ids, numbers and the node's own names differ in sentences that mean the same. */
export function causeOf(node: GraphNode): string {
    let text = node.reason ?? '';
    for (const name of [node.component, node.stack, node.workflow])
        if (name.length > 1) text = text.replaceAll(name, '…');
    return text
        .replace(/\b[0-9a-f]{12,}\b/gi, '…')
        .replace(/\b\d{1,2}:\d{2}(:\d{2})?( UTC)?\b/g, '…')
        .replace(/\b\d+(\.\d+)?\b/g, '…')
        .replace(/…(\s*…)+/g, '…')
        .trim();
}

/** The most nodes first. `skippedBy` tells for a node how many were skipped behind it. */
export function failuresByCause(
    nodes: readonly GraphNode[],
    skippedBy: (positions: readonly number[]) => number = () => 0,
): Cause[] {
    const causes = new Map<string, Cause>();
    for (const node of nodes) {
        if (!isBad(node.state)) continue;
        const key = `${node.state} ${causeOf(node)}`;
        const cause = causes.get(key);
        if (cause) cause.nodes.push(node);
        else
            causes.set(key, {
                key,
                state: node.state,
                text: node.reason ?? '',
                nodes: [node],
                skipped: 0,
            });
    }
    const list = [...causes.values()];
    for (const cause of list) {
        cause.nodes.sort((a, b) => compare(a.stack, b.stack) || compare(a.component, b.component));
        cause.skipped = skippedBy(cause.nodes.map((node) => node.position));
    }
    return list.sort((a, b) => b.nodes.length - a.nodes.length || compare(a.key, b.key));
}

/** The next one that went wrong, in the order of the rows, round the end; null: none. */
export function nextFailure(rows: readonly GraphNode[], after: number | null): GraphNode | null {
    const start = rows.findIndex((node) => node.position === after);
    for (let step = 1; step <= rows.length; step++) {
        const node = rows[(start + step) % rows.length]!;
        if (isBad(node.state)) return node;
    }
    return null;
}
