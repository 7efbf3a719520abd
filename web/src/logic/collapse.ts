/**
 * A graph for drawing: what is visible, with stacks or levels folded into one box each that tells how its nodes stand. The ids and
 * edges depend on the shape alone, never on states: a layout stays good while states move.
 */
import { edgeKey } from './critical.ts';
import { nodeAt, type Graph, type GraphNode } from './graph.ts';
import { compare } from './levels.ts';
import { countStates, type NodeState } from './states.ts';

export type CollapseBy = 'none' | 'stack' | 'level';
export const collapses: readonly CollapseBy[] = ['none', 'stack', 'level'];

export interface GroupBox {
    kind: 'group';
    id: string;
    /** Stack or level. */
    name: string;
    positions: number[];
    level: number;
}
export interface NodeBox {
    kind: 'node';
    id: string;
    position: number;
}
export type Box = GroupBox | NodeBox;

export interface BoxEdge {
    id: string;
    from: string;
    to: string;
    /** How many edges of the graph it stands for. */
    count: number;
}
export interface Drawing {
    boxes: Box[];
    edges: BoxEdge[];
    /** The box in which a node is drawn. */
    boxOf: Map<number, string>;
}

/** `open` names groups whose nodes are drawn each. */
export function drawingOf(
    graph: Graph,
    visible: ReadonlySet<number>,
    by: CollapseBy,
    open: ReadonlySet<string>,
): Drawing {
    const boxes: Box[] = [];
    const groups = new Map<string, GroupBox>();
    const boxOf = new Map<number, string>();
    for (const node of graph.nodes) {
        if (!visible.has(node.position)) continue;
        const name = by === 'stack' ? node.stack : String(node.level);
        const id = `${by}:${name}`;
        if (by === 'none' || open.has(id)) {
            const own = String(node.position);
            boxOf.set(node.position, own);
            boxes.push({ kind: 'node', id: own, position: node.position });
            continue;
        }
        let group = groups.get(id);
        if (!group) {
            group = { kind: 'group', id, name, positions: [], level: node.level };
            groups.set(id, group);
            boxes.push(group);
        }
        group.positions.push(node.position);
        group.level = Math.min(group.level, node.level);
        boxOf.set(node.position, id);
    }
    return { boxes, edges: edgesBetween(graph, boxOf), boxOf };
}

/** Stacks that stand on each other both ways would be a loop of boxes: the layout bears that. */
function edgesBetween(graph: Graph, boxOf: ReadonlyMap<number, string>): BoxEdge[] {
    const edges = new Map<string, BoxEdge>();
    for (const [parent, child] of graph.edges) {
        const from = boxOf.get(parent);
        const to = boxOf.get(child);
        if (from === undefined || to === undefined || from === to) continue;
        const id = edgeKey(from, to);
        const edge = edges.get(id);
        if (edge) edge.count++;
        else edges.set(id, { id, from, to, count: 1 });
    }
    return [...edges.values()];
}

/** Edges of the critical way, as they are drawn. */
export function criticalBoxEdges(graph: Graph, drawing: Drawing): Set<string> {
    const keys = new Set<string>();
    graph.critical.forEach((to, index) => {
        const from = graph.critical[index - 1];
        if (from === undefined) return;
        const a = drawing.boxOf.get(from);
        const b = drawing.boxOf.get(to);
        if (a !== undefined && b !== undefined && a !== b) keys.add(edgeKey(a, b));
    });
    return keys;
}

export function groupCounts(graph: Graph, group: GroupBox): Map<NodeState, number> {
    return countStates(
        group.positions.flatMap((position) => {
            const node = nodeAt(graph, position);
            return node ? [node.state] : [];
        }),
    );
}

/** Too many boxes to read: the page folds by stack on its own, when that helps. */
export function foldFor(nodes: readonly GraphNode[], most: number): CollapseBy {
    if (nodes.length <= most) return 'none';
    const stacks = new Set(nodes.map((node) => node.stack)).size;
    return stacks <= most && stacks > 1 ? 'stack' : 'level';
}

/** A key of the shape: the same for the same boxes and edges. */
export function shapeKey(drawing: Drawing): string {
    const boxes = drawing.boxes.map((box) => box.id).sort(compare);
    const edges = drawing.edges.map((edge) => edge.id).sort(compare);
    return `${boxes.join(' ')}|${edges.join(' ')}`;
}
