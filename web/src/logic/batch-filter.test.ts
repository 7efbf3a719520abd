import { describe, expect, it } from 'vitest';
import { filterNodes, isFiltered, readSearch, statesOf } from './batch-filter.ts';
import {
    inBarOrder,
    countStates,
    progressOf,
    nodeStates,
    moodOf,
    moodOrder,
    isEnded,
    isLive,
} from './states.ts';
import { barsOf, ticksOf } from './waterfall.ts';
import { diamond, node } from './sample.fixture.ts';

describe('the address of a batch page', () => {
    it.each([
        [{}, {}],
        [
            { node: 0, view: 'graph', focus: 'ancestors', fold: 'stack' },
            { node: 0, view: 'graph', focus: 'ancestors', fold: 'stack' },
        ],
        [{ node: '12', view: 'table', q: '' }, { node: 12 }],
        [{ node: -1, view: 'nonsense', focus: 3, fold: null, state: {}, q: ['a'] }, {}],
        [
            { node: '', q: 12, stack: true },
            { q: '12', stack: 'true' },
        ],
        [{ node: 1e300 }, {}],
    ])('%j is read as %j', (raw, search) => {
        expect(readSearch(raw)).toEqual(search);
    });
    it('a text in it is not longer than 500 characters', () => {
        expect(readSearch({ q: 'x'.repeat(10_000) }).q).toHaveLength(500);
    });
});

describe('a filter', () => {
    const nodes = [
        node(0, { state: 'failure', stack: 'plat-dev', component: 'network/vpc' }),
        node(1, { state: 'running', stack: 'plat-dev', component: 'eks/cluster' }),
        node(2, { state: 'success', stack: 'plat-prod', component: 'network/vpc' }),
    ];
    it.each([
        [{}, [0, 1, 2]],
        [{ state: 'failed' }, [0]],
        [{ state: 'failure,running' }, [0, 1]],
        [{ state: 'active,done' }, [1, 2]],
        [{ state: 'nonsense' }, [0, 1, 2]],
        [{ stack: 'plat-dev' }, [0, 1]],
        [{ component: 'network/vpc', stack: 'plat-prod' }, [2]],
        [{ q: 'VPC prod' }, [2]],
        [{ q: 'cluster prod' }, []],
    ])('%j shows %j', (search, positions) => {
        expect(filterNodes(nodes, search).map((one) => one.position)).toEqual(positions);
    });
    it('that is none gives the very same list', () => {
        expect(filterNodes(nodes, { node: 1, view: 'graph' })).toBe(nodes);
        expect(isFiltered({ node: 1 })).toBe(false);
    });
    it('every state is in exactly one word', () => {
        const words = ['failed', 'blocked', 'active', 'waiting', 'skipped', 'done'];
        for (const state of nodeStates)
            expect(
                words.filter((word) => statesOf(word)(state)),
                state,
            ).toHaveLength(1);
    });
});

describe('states', () => {
    it('each has a mood, and none is ended and live', () => {
        for (const state of nodeStates) {
            expect(moodOrder).toContain(moodOf(state));
            expect(isEnded(state) && isLive(state)).toBe(false);
        }
    });
    it('are counted for the bar, done first, none left out', () => {
        const counts = countStates(nodeStates);
        expect(
            inBarOrder(counts)
                .map(([state]) => state)
                .sort(),
        ).toEqual([...nodeStates].sort());
        expect(inBarOrder(countStates(['waiting', 'success', 'success']))).toEqual([
            ['success', 2],
            ['waiting', 1],
        ]);
    });
    it('progress leaves out what is never dispatched', () => {
        expect(
            progressOf(countStates(['success', 'failure', 'running', 'not_dispatched'])),
        ).toEqual({ done: 2, of: 3 });
        expect(progressOf(new Map())).toEqual({ done: 0, of: 0 });
    });
});

describe('a waterfall', () => {
    it('shows what ran, what runs until it is expected to end, and what will come after it', () => {
        const graph = diamond([
            { state: 'success', startedMs: 0, endedMs: 10_000 },
            { state: 'running', startedMs: 10_000, durationMs: 20_000 },
            { state: 'skipped' },
        ]);
        const bars = new Map(barsOf(graph, 15_000).map((bar) => [bar.node.position, bar]));
        expect(bars.get(0)).toMatchObject({ kind: 'done', startMs: 0, endMs: 10_000 });
        expect(bars.get(1)).toMatchObject({ kind: 'running', startMs: 10_000, endMs: 30_000 });
        expect(bars.has(2)).toBe(false);
        expect(bars.get(3)).toMatchObject({ kind: 'planned', startMs: 30_000, endMs: 90_000 });
        expect(bars.get(5)).toMatchObject({ startMs: 90_000 });
        expect(bars.get(6)).toMatchObject({ startMs: 15_000 });
    });
    it.each([500, 9_000, 61_000, 3_600_000, 900_000_000])(
        'an axis of %i ms has a few round marks',
        (span) => {
            const ticks = ticksOf(0, span);
            expect(ticks.length).toBeGreaterThan(0);
            expect(ticks.length).toBeLessThanOrEqual(8);
        },
    );
});
