import { describe, expect, it } from 'vitest';
import { adopt, mergeNodes, type NodeNews } from './live-merge.ts';
import { nodeAt } from './graph.ts';
import { diamond } from './sample.fixture.ts';

const runs: NodeNews = [3, 'running', 'runs', 'run_1', 1, 1000, null];

describe('news of the stream', () => {
    it('change the nodes they name, and no other object', () => {
        const before = diamond();
        const { graph, isBehind } = mergeNodes(before, [runs]);
        expect(isBehind).toBe(false);
        expect(nodeAt(graph, 3)).toMatchObject({
            state: 'running',
            reason: 'runs',
            runId: 'run_1',
            attempt: 1,
            startedMs: 1000,
            component: 'c3',
        });
        for (const position of [0, 1, 2, 4, 5, 6])
            expect(nodeAt(graph, position)).toBe(nodeAt(before, position));
        expect(graph.children).toBe(before.children);
        expect(nodeAt(before, 3)!.state).toBe('waiting');
    });
    it('that tell nothing new give the very same graph', () => {
        const { graph } = mergeNodes(diamond(), [runs]);
        expect(mergeNodes(graph, [runs]).graph).toBe(graph);
        expect(mergeNodes(graph, []).graph).toBe(graph);
    });
    it('the last word about a node counts', () => {
        const { graph } = mergeNodes(diamond(), [
            runs,
            [3, 'success', null, 'run_1', 1, 1000, 2000],
        ]);
        expect(nodeAt(graph, 3)).toMatchObject({ state: 'success', reason: null, endedMs: 2000 });
    });
    it('about nodes or states that the page does not know: it is behind, and takes what it can', () => {
        const { graph, isBehind } = mergeNodes(diamond(), [
            [99, 'running', null, null, 1, null, null],
            runs,
        ]);
        expect(isBehind).toBe(true);
        expect(nodeAt(graph, 3)!.state).toBe('running');
        expect(
            mergeNodes(diamond(), [[3, 'from_the_future', null, null, 1, null, null]]).isBehind,
        ).toBe(true);
    });
});

describe('a whole answer', () => {
    it('that says the same is the same graph', () => {
        const old = diamond();
        expect(adopt(old, diamond())).toBe(old);
        expect(adopt(undefined, old)).toBe(old);
    });
    it('keeps the objects of nodes that stand as they stood', () => {
        const old = diamond();
        const next = adopt(old, diamond([{ state: 'success' }]));
        expect(nodeAt(next, 0)!.state).toBe('success');
        expect(nodeAt(next, 1)).toBe(nodeAt(old, 1));
        expect(next.parents).toBe(old.parents);
    });
    it('with another way or other edges is taken as it is', () => {
        const old = diamond();
        const way = adopt(old, { ...diamond(), critical: [0, 1, 3, 4] });
        expect(way.critical).toEqual([0, 1, 3, 4]);
        expect(way.nodes[2]).toBe(old.nodes[2]);
        const other = diamond();
        expect(adopt(old, { ...other, edges: other.edges.slice(1) }).edges.length).toBe(5);
    });
});
