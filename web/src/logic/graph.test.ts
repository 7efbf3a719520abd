import { describe, expect, it } from 'vitest';
import { around, ancestors, descendants, focused } from './focus.ts';
import {
    collapses,
    drawingOf,
    foldFor,
    groupCounts,
    shapeKey,
    criticalBoxEdges,
} from './collapse.ts';
import { criticalEdges, criticalLeft } from './critical.ts';
import { graphOf, nodeAt } from './graph.ts';
import { byLevel, byMood, levelsOf, tableRows } from './levels.ts';
import { diamond, layered, node } from './sample.fixture.ts';

const sorted = (set: Iterable<number>) => [...set].sort((a, b) => a - b);

describe('a graph', () => {
    it('leaves out edges to nodes that are not there, and edges of a node to itself', () => {
        const graph = graphOf(
            [node(0), node(7)],
            [
                [0, 7],
                [0, 9],
                [7, 7],
            ],
            [0, 9, 7],
        );
        expect(graph.edges).toEqual([[0, 7]]);
        expect(graph.critical).toEqual([0, 7]);
        expect(nodeAt(graph, 7)?.position).toBe(7);
        expect(nodeAt(graph, 9)).toBeUndefined();
    });
});

describe('what is round a node', () => {
    it.each([
        [0, [], [1, 2, 3, 4, 5]],
        [3, [0, 1, 2], [4, 5]],
        [5, [0, 1, 2, 3], []],
        [6, [], []],
    ])('node %i stands on %j and bears %j', (position, above, below) => {
        expect(sorted(ancestors(diamond(), position))).toEqual(above);
        expect(sorted(descendants(diamond(), position))).toEqual(below);
    });
    it('one step is its neighbours; two steps are theirs, but no siblings', () => {
        expect(sorted(around(diamond(), 1, 1))).toEqual([0, 1, 3]);
        expect(sorted(around(diamond(), 1, 2))).toEqual([0, 1, 3, 4, 5]);
    });
    it('ends in a loop, too', () => {
        const loop = graphOf(
            [node(0), node(1), node(2)],
            [
                [0, 1],
                [1, 2],
                [2, 0],
            ],
        );
        expect(sorted(ancestors(loop, 0))).toEqual([1, 2]);
        expect(sorted(descendants(loop, 0))).toEqual([1, 2]);
    });
    it('all is all; without a node everything is all; too many are cut to the nearest', () => {
        const graph = diamond();
        expect(focused(graph, 3, 'all').size).toBe(7);
        expect(focused(graph, null, 'around').size).toBe(7);
        expect(focused(graph, 99, 'ancestors').size).toBe(7);
        expect(sorted(focused(graph, 5, 'ancestors'))).toEqual([0, 1, 2, 3, 5]);
        expect(sorted(focused(graph, 5, 'ancestors', 2))).toEqual([3, 5]);
        expect(sorted(focused(graph, 0, 'dependents', 3))).toEqual([0, 1, 2]);
    });
});

describe('levels', () => {
    it('are the longest way from a start', () => {
        expect([...levelsOf(diamond())]).toEqual([
            [0, 0],
            [1, 1],
            [2, 1],
            [3, 2],
            [4, 3],
            [5, 3],
            [6, 0],
        ]);
    });
    it('of a loop are 0, and it ends', () => {
        const loop = graphOf(
            [node(0), node(1)],
            [
                [0, 1],
                [1, 0],
            ],
        );
        expect([...levelsOf(loop)]).toEqual([
            [0, 0],
            [1, 0],
        ]);
    });
    it('group nodes by name, which does not move when states do', () => {
        const graph = diamond([
            { component: 'z' },
            { component: 'b' },
            { component: 'a', state: 'success' },
        ]);
        const levels = byLevel(graph.nodes);
        expect(levels.map((level) => level.nodes.map((one) => one.position))).toEqual([
            [6, 0],
            [2, 1],
            [3],
            [4, 5],
        ]);
        expect(levels[1]!.counts.get('success')).toBe(1);
        const moved = byLevel(graph.nodes.map((one) => ({ ...one, state: 'failure' as const })));
        expect(moved.map((level) => level.nodes.map((one) => one.position))).toEqual([
            [6, 0],
            [2, 1],
            [3],
            [4, 5],
        ]);
    });
    it('become rows; a level that is shut keeps its heading; a single level has none', () => {
        const levels = byLevel(diamond().nodes);
        expect(tableRows(levels, new Set([0, 3])).map((row) => row.kind)).toEqual([
            'level',
            'level',
            'node',
            'node',
            'level',
            'node',
            'level',
        ]);
        expect(tableRows(byLevel([node(0), node(1)]), new Set([0])).map((row) => row.kind)).toEqual(
            ['node', 'node'],
        );
    });
    it('or by what the eye looks for', () => {
        const nodes = [
            node(0, { state: 'success' }),
            node(1, { state: 'running' }),
            node(2, { state: 'error' }),
            node(3, { state: 'locked' }),
        ];
        expect(byMood(nodes).map((one) => one.position)).toEqual([2, 3, 1, 0]);
    });
});

describe('the critical way', () => {
    it('is drawn where the graph has its edges', () => {
        expect(
            sorted([...criticalEdges(diamond())].map((key) => Number(key.split('>')[0]))),
        ).toEqual([0, 2, 3]);
        const odd = graphOf(diamond().nodes, diamond().edges, [0, 5]);
        expect(criticalEdges(odd).size).toBe(0);
    });
    it('what is left of it: nodes that have not ended, less what the running one has behind it', () => {
        const graph = diamond([{ state: 'success' }, {}, { state: 'running', startedMs: 1_000 }]);
        expect(criticalLeft(graph, 21_000)).toEqual({ nodes: 3, ms: 40_000 + 60_000 + 60_000 });
        expect(criticalLeft(graph, 10_000_000).ms).toBe(120_000);
    });
});

describe('a drawing', () => {
    const stacks = diamond([
        { stack: 'a' },
        { stack: 'a' },
        { stack: 'b' },
        { stack: 'b' },
        { stack: 'c' },
        { stack: 'c' },
        { stack: 'c' },
    ]);
    const all = new Set(stacks.nodes.map((one) => one.position));
    it('has a box a node when nothing is folded', () => {
        const drawing = drawingOf(stacks, all, 'none', new Set());
        expect(drawing.boxes.map((box) => box.id)).toEqual(['0', '1', '2', '3', '4', '5', '6']);
        expect(drawing.edges.map((edge) => edge.id)).toEqual([
            '0>1',
            '0>2',
            '1>3',
            '2>3',
            '3>4',
            '3>5',
        ]);
    });
    it('folds by stack: edges between boxes are counted, edges inside are gone', () => {
        const drawing = drawingOf(stacks, all, 'stack', new Set());
        expect(drawing.boxes.map((box) => box.id)).toEqual(['stack:a', 'stack:b', 'stack:c']);
        expect(drawing.edges).toEqual([
            { id: 'stack:a>stack:b', from: 'stack:a', to: 'stack:b', count: 2 },
            { id: 'stack:b>stack:c', from: 'stack:b', to: 'stack:c', count: 2 },
        ]);
        expect([...criticalBoxEdges(stacks, drawing)]).toEqual([
            'stack:a>stack:b',
            'stack:b>stack:c',
        ]);
    });
    it('an open group shows its nodes between the others', () => {
        const drawing = drawingOf(stacks, all, 'stack', new Set(['stack:b']));
        expect(drawing.boxes.map((box) => box.id)).toEqual(['stack:a', '2', '3', 'stack:c']);
        expect(drawing.edges.map((edge) => edge.id)).toEqual([
            'stack:a>2',
            'stack:a>3',
            '2>3',
            '3>stack:c',
        ]);
    });
    it('folds by level', () => {
        const drawing = drawingOf(stacks, all, 'level', new Set());
        expect(
            drawing.boxes.map((box) => box.kind === 'group' && [box.name, box.positions.length]),
        ).toEqual([
            ['0', 2],
            ['1', 2],
            ['2', 1],
            ['3', 2],
        ]);
    });
    it.each(collapses)(
        'folded by %s: its shape does not change with states, so the layout stays',
        (by) => {
            const moved = {
                ...stacks,
                nodes: stacks.nodes.map((one) => ({ ...one, state: 'failure' as const })),
            };
            const [before, after] = [stacks, moved].map((graph) =>
                shapeKey(drawingOf(graph, all, by, new Set())),
            );
            expect(after).toBe(before);
        },
    );
    it('a group knows how its nodes stand', () => {
        const group = drawingOf(stacks, all, 'stack', new Set()).boxes[0]!;
        expect(group.kind === 'group' && [...groupCounts(stacks, group)]).toEqual([['waiting', 2]]);
    });
    it('many nodes fold on their own: by stack when stacks are few enough, else by level', () => {
        expect(foldFor(stacks.nodes, 10)).toBe('none');
        expect(foldFor(layered(500).nodes, 100)).toBe('stack');
        expect(foldFor(layered(500).nodes, 20)).toBe('level');
    });
});

it('ten thousand nodes are no trouble', () => {
    const graph = layered(10_000);
    const start = performance.now();
    byLevel(graph.nodes);
    levelsOf(graph);
    descendants(graph, 50);
    drawingOf(graph, new Set(graph.at.keys()), 'stack', new Set());
    // Takes about 30 ms; a bound that only something quadratic breaks.
    expect(performance.now() - start).toBeLessThan(5_000);
});
