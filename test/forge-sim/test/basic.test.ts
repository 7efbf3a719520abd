import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { inputs, Rig } from './helper.ts';
import type { Json } from '../util.ts';

describe('a dispatched run', () => {
    let rig: Rig;
    before(async () => {
        rig = await Rig.start();
    });
    after(() => rig.stop());

    it('answers with the run, reports it by webhook and can be read', async () => {
        const answer = await rig.dispatch(inputs('r-1'));
        assert.equal(answer.status, 200);
        const id = answer.body['workflow_run_id'];
        assert.ok(typeof id === 'number' && id > 2 ** 32, 'run ids do not fit 32 bits');
        await rig.sim.idle();
        const events = rig.hook.of('workflow_run').map((one) => one.body['action']);
        assert.deepEqual(events, ['requested', 'in_progress', 'completed']);
        const read = await rig.call('GET', `/repos/acme/infra/actions/runs/${id}`);
        assert.equal(read.body['conclusion'], 'success');
        assert.equal(read.body['display_title'], 'plan vpc/dev/r-1');
        const prefixed = await rig.call('GET', `/api/v3/repos/acme/infra/actions/runs/${id}`);
        assert.equal(prefixed.body['id'], id);
    });

    it('answers 204 without the flag on the older API version and 200 on the newer one', async () => {
        const quiet = await rig.dispatch(inputs('r-2'), 'plan.yaml', {
            return_run_details: undefined,
        });
        assert.equal(quiet.status, 204);
        const newer = await rig.call(
            'POST',
            '/repos/acme/infra/actions/workflows/plan.yaml/dispatches',
            { ref: 'main', inputs: inputs('r-3') },
            { 'x-github-api-version': '2026-03-10' },
        );
        assert.equal(newer.status, 200);
    });

    it('answers as GHES does when told to: no run, ten inputs', async () => {
        await rig.sim.settings({ dispatch_style: 'ghes' });
        assert.equal((await rig.dispatch(inputs('g-1'))).status, 204);
        assert.equal(
            (
                await rig.dispatch(
                    Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`i${i}`, ''])),
                )
            ).status,
            422,
        );
        await rig.sim.settings({ dispatch_style: 'ghes-strict' });
        assert.match(
            String((await rig.dispatch(inputs('g-2'))).body['message']),
            /return_run_details/,
        );
        await rig.sim.settings({ dispatch_style: 'dotcom' });
    });

    it('drops on the newer API version what GitHub dropped, and refuses unknown versions', async () => {
        await rig.sim.openPull('acme/infra', { head: 'feature', files: { a: 'b' } });
        const newer = { 'x-github-api-version': '2026-03-10' };
        const pull = await rig.call('GET', '/repos/acme/infra/pulls/1', undefined, newer);
        assert.deepEqual(
            ['merge_commit_sha' in pull.body, 'assignee' in pull.body],
            [false, false],
        );
        assert.equal(
            'rate' in (await rig.call('GET', '/rate_limit', undefined, newer)).body,
            false,
        );
        assert.equal(
            (
                await rig.call('GET', '/repos/acme/infra', undefined, {
                    'x-github-api-version': '1999-01-01',
                })
            ).status,
            400,
        );
    });

    const refused: [string, number, RegExp, () => Promise<{ status: number; body: Json }>][] = [
        [
            'an undeclared input',
            422,
            /Unexpected inputs.*"nope"/,
            () => rig.dispatch(inputs('x', { nope: '1' })),
        ],
        [
            'a missing input',
            422,
            /Required input 'component'/,
            () => rig.dispatch({ stack: 'dev' }),
        ],
        [
            'a value outside the options',
            422,
            /list of allowed values/,
            () => rig.dispatch(inputs('x', { mode: 'destroy' })),
        ],
        [
            'an unknown ref',
            422,
            /No ref found for: gone/,
            () => rig.dispatch(inputs('x'), 'plan.yaml', { ref: 'gone' }),
        ],
        [
            'a bare sha as ref',
            422,
            /No ref found/,
            () => rig.dispatch(inputs('x'), 'plan.yaml', { ref: rig.repo.head }),
        ],
        ['no ref', 422, /ref/, () => rig.dispatch(inputs('x'), 'plan.yaml', { ref: undefined })],
        [
            'a workflow without the trigger',
            422,
            /workflow_dispatch/,
            () => rig.dispatch({}, 'push.yaml'),
        ],
        ['an unknown file', 404, /Not Found/, () => rig.dispatch({}, 'gone.yaml')],
        [
            '26 inputs',
            422,
            /25/,
            () =>
                rig.dispatch(
                    Object.fromEntries(Array.from({ length: 26 }, (_, i) => [`i${i}`, ''])),
                ),
        ],
    ];
    for (const [what, status, message, act] of refused) {
        it(`refuses ${what} and starts nothing`, async () => {
            const before = (await rig.sim.runs()).length;
            const answer = await act();
            assert.equal(answer.status, status);
            assert.match(String(answer.body['message']), message);
            assert.equal((await rig.sim.runs()).length, before);
        });
    }

    it('signs every webhook over the raw bytes', () => {
        assert.ok(rig.hook.got.length > 5);
        for (const one of rig.hook.got) {
            const wanted =
                'sha256=' + createHmac('sha256', 'a webhook secret').update(one.raw).digest('hex');
            assert.equal(one.headers['x-hub-signature-256'], wanted);
        }
    });
});
