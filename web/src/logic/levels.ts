/** Nodes by level, as the table shows them. */
import type { Graph, GraphNode } from './graph.ts';
import { moodOf, moodOrder, countStates, type NodeState } from './states.ts';

export interface Level {
    level: number;
    nodes: GraphNode[];
    counts: Map<NodeState, number>;
}

/** One after another; within a level by stack, component and workflow: the order does not move when states do. */
export function byLevel(nodes: readonly GraphNode[]): Level[] {
    const levels = new Map<number, GraphNode[]>();
    for (const node of nodes) {
        const list = levels.get(node.level);
        if (list) list.push(node);
        else levels.set(node.level, [node]);
    }
    return [...levels.entries()]
        .sort(([a], [b]) => a - b)
        .map(([level, list]) => ({
            level,
            nodes: list.sort(inOrder),
            counts: countStates(list.map((node) => node.state)),
        }));
}

/** By what the eye looks for, then by name: for a list that is read once, not for one that is watched. */
export function byMood(nodes: readonly GraphNode[]): GraphNode[] {
    const rank = (node: GraphNode) => moodOrder.indexOf(moodOf(node.state));
    return [...nodes].sort((a, b) => rank(a) - rank(b) || inOrder(a, b));
}

function inOrder(a: GraphNode, b: GraphNode): number {
    return (
        compare(a.stack, b.stack) ||
        compare(a.component, b.component) ||
        compare(a.workflow, b.workflow) ||
        a.position - b.position
    );
}
/** By code unit: fast, and the same in every browser. */
export function compare(a: string, b: string): number {
    return a < b ? -1 : a > b ? 1 : 0;
}

export type TableRow =
    { kind: 'level'; level: Level; isOpen: boolean } | { kind: 'node'; node: GraphNode };

/** The rows of the table: a heading a level, its nodes below unless it is shut. One level needs no heading. */
export function tableRows(levels: readonly Level[], shut: ReadonlySet<number>): TableRow[] {
    const rows: TableRow[] = [];
    for (const level of levels) {
        const isOpen = !shut.has(level.level);
        if (levels.length > 1) rows.push({ kind: 'level', level, isOpen });
        if (isOpen || levels.length === 1)
            for (const node of level.nodes) rows.push({ kind: 'node', node });
    }
    return rows;
}

/** The longest way from a start, by counting edges: for a graph whose levels nobody has told. Nodes of a loop get 0. */
export function levelsOf(graph: Graph): Map<number, number> {
    const level = new Map<number, number>();
    const open = new Map<number, number>();
    const ready: number[] = [];
    for (const { position } of graph.nodes) {
        const count = graph.parents.get(position)?.length ?? 0;
        level.set(position, 0);
        open.set(position, count);
        if (count === 0) ready.push(position);
    }
    for (let next = 0; next < ready.length; next++) {
        const from = ready[next]!;
        for (const to of graph.children.get(from) ?? []) {
            level.set(to, Math.max(level.get(to)!, level.get(from)! + 1));
            const left = open.get(to)! - 1;
            open.set(to, left);
            if (left === 0) ready.push(to);
        }
    }
    for (const [position, left] of open) if (left > 0) level.set(position, 0);
    return level;
}
