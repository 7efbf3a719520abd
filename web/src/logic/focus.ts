/** Parts of a graph round a node. */
import type { Graph } from './graph.ts';

/** All that it waits for, near and far; without itself. */
export function ancestors(graph: Graph, position: number): Set<number> {
    return reach(graph.parents, [position], Infinity);
}
/** All that waits for it. */
export function descendants(graph: Graph, ...positions: number[]): Set<number> {
    return reach(graph.children, positions, Infinity);
}
/** It, and so many steps up and down. Not sideways: a sibling has nothing to do with it. */
export function around(graph: Graph, position: number, steps: number): Set<number> {
    const found = reach(graph.parents, [position], steps);
    for (const below of reach(graph.children, [position], steps)) found.add(below);
    found.add(position);
    return found;
}

export type Focus = 'around' | 'ancestors' | 'dependents' | 'all';
export const focuses: readonly Focus[] = ['around', 'ancestors', 'dependents', 'all'];

/** What is to be drawn: at the most so many nodes, the nearest first. */
export function focused(
    graph: Graph,
    position: number | null,
    focus: Focus,
    most = Infinity,
): Set<number> {
    if (focus === 'all' || position === null || !graph.at.has(position))
        return new Set(graph.nodes.slice(0, most).map((node) => node.position));
    const set =
        focus === 'around'
            ? around(graph, position, 2)
            : focus === 'ancestors'
              ? ancestors(graph, position).add(position)
              : descendants(graph, position).add(position);
    if (set.size <= most) return set;
    const near = new Set([position]);
    for (let steps = 1; near.size < most; steps++) {
        const before = near.size;
        for (const one of [
            ...reach(graph.parents, [position], steps),
            ...reach(graph.children, [position], steps),
        ])
            if (set.has(one) && near.size < most) near.add(one);
        if (near.size === before) break;
    }
    return near;
}

function reach(
    neighbours: ReadonlyMap<number, readonly number[]>,
    starts: readonly number[],
    steps: number,
): Set<number> {
    const found = new Set<number>();
    const own = new Set(starts);
    let edge = starts;
    for (let step = 0; step < steps && edge.length > 0; step++) {
        const next: number[] = [];
        for (const from of edge)
            for (const to of neighbours.get(from) ?? [])
                if (!found.has(to) && !own.has(to)) {
                    found.add(to);
                    next.push(to);
                }
        edge = next;
    }
    return found;
}
