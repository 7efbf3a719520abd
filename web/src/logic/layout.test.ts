import { describe, expect, it } from 'vitest';
import { drawingOf } from './collapse.ts';
import { graphOf } from './graph.ts';
import { boxSize, columnLayout, type Place } from './layout.ts';
import { diamond, layered, node } from './sample.fixture.ts';

const all = (graph: ReturnType<typeof diamond>) => new Set(graph.nodes.map((one) => one.position));
const layoutOf = (graph: ReturnType<typeof diamond>) =>
    columnLayout(drawingOf(graph, all(graph), 'none', new Set()));

function overlaps(places: ReadonlyMap<string, Place>): number {
    const list = [...places.values()].sort((a, b) => a.x - b.x || a.y - b.y);
    let count = 0;
    for (let i = 1; i < list.length; i++)
        if (list[i]!.x === list[i - 1]!.x && list[i]!.y - list[i - 1]!.y < boxSize.height) count++;
    return count;
}

describe('columns', () => {
    it('everything stands right of what it waits for', () => {
        const graph = diamond();
        const places = layoutOf(graph);
        for (const [from, to] of graph.edges)
            expect(places.get(String(to))!.x).toBeGreaterThan(
                places.get(String(from))!.x + boxSize.width,
            );
    });
    it('no two boxes lie on each other, and the same graph gives the same picture', () => {
        const places = layoutOf(layered(3_000));
        expect(places.size).toBe(3_000);
        expect(overlaps(places)).toBe(0);
        expect(layoutOf(layered(3_000))).toEqual(places);
    });
    it('a loop (two stacks that stand on each other) has places, too', () => {
        const loop = graphOf(
            [node(0), node(1), node(2)],
            [
                [0, 1],
                [1, 0],
                [1, 2],
            ],
        );
        const places = layoutOf(loop);
        expect(places.size).toBe(3);
        expect(overlaps(places)).toBe(0);
    });
    it('nothing gives nothing', () => {
        expect(layoutOf(graphOf([], []))).toEqual(new Map());
    });
});
