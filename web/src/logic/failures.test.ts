import { describe, expect, it } from 'vitest';
import { causeOf, failuresByCause, nextFailure } from './failures.ts';
import { node } from './sample.fixture.ts';

describe('failures by cause', () => {
    it('what differs only in names, ids, numbers and times is one cause', () => {
        const one = node(0, {
            state: 'failure',
            component: 'vpc',
            stack: 'dev',
            reason: 'vpc in dev failed after 31 s at 14:02 UTC',
        });
        const two = node(1, {
            state: 'failure',
            component: 'dns',
            stack: 'prod',
            reason: 'dns in prod failed after 9 s at 9:40 UTC',
        });
        expect(causeOf(one)).toBe(causeOf(two));
    });
    it('the cause of the most nodes stands first; nodes in the order of their names', () => {
        const causes = failuresByCause([
            node(0, { state: 'error', reason: 'no such workflow' }),
            node(1, { state: 'failure', component: 'b', reason: 'exit 1' }),
            node(2, { state: 'success' }),
            node(3, { state: 'failure', component: 'a', reason: 'exit 2' }),
        ]);
        expect(
            causes.map((cause) => [cause.state, cause.nodes.map((one) => one.component)]),
        ).toEqual([
            ['failure', ['a', 'b']],
            ['error', ['c0']],
        ]);
    });
    it('another state is another cause, and nothing wrong is no cause', () => {
        expect(
            failuresByCause([node(0, { state: 'failure' }), node(1, { state: 'timed_out' })]),
        ).toHaveLength(2);
        expect(failuresByCause([node(0, { state: 'skipped' }), node(1)])).toEqual([]);
    });
    it('tells how many were skipped behind them', () => {
        const [cause] = failuresByCause(
            [node(4, { state: 'failure' })],
            (positions) => positions.length * 7,
        );
        expect(cause!.skipped).toBe(7);
    });
});

describe('the next failure', () => {
    const rows = [node(0), node(1, { state: 'failure' }), node(2), node(3, { state: 'error' })];
    it.each([
        [null, 1],
        [0, 1],
        [1, 3],
        [3, 1],
    ])('after %s is %s', (after, next) => {
        expect(nextFailure(rows, after)?.position).toBe(next);
    });
    it('of one that is alone is itself; of none is none', () => {
        expect(nextFailure([node(5, { state: 'failure' })], 5)?.position).toBe(5);
        expect(nextFailure([node(5)], null)).toBeNull();
        expect(nextFailure([], null)).toBeNull();
    });
});
