import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Webhooks } from '@octokit/webhooks';
import { inputs, Rig } from './helper.ts';
import { WebhookSchemas } from './schemas.ts';
import type { Lie } from '../forge.ts';

/* The simulator is made to lie on purpose. Each lie has to be noticed, or the checkers are worth nothing. */
describe('a lie of the simulator is noticed', () => {
    let rig: Rig;
    const schemas = new WebhookSchemas();
    before(async () => {
        rig = await Rig.start();
    });
    after(() => rig.stop());
    afterEach(async () => {
        await rig.sim.idle();
        await rig.sim.lie();
        rig.hook.got = [];
    });

    async function runWith(lie: Lie | undefined): Promise<string[]> {
        await rig.sim.lie(...(lie ? [lie] : []));
        await rig.dispatch(inputs('lie'));
        await rig.sim.idle();
        assert.equal(rig.hook.of('workflow_run').length, 3);
        return rig.hook
            .of('workflow_run')
            .flatMap((one) => schemas.complaints(one.event, one.body));
    }

    const bodies: [Lie, RegExp][] = [
        ['missing-field', /required property 'repository'/],
        ['wrong-type', /\/workflow_run\/id must be integer/],
        ['wrong-state', /\/workflow_run\/status must be equal to one of the allowed values/],
    ];
    for (const [lie, complaint] of bodies) {
        it(`${lie}: by GitHub's webhook schemas`, async () => {
            assert.match((await runWith(lie)).join('\n'), complaint);
        });
    }

    it('and there is no complaint without a lie', async () => {
        assert.deepEqual(await runWith(undefined), []);
    });

    it('empty-dispatch: by the promise of the flag', async () => {
        assert.equal((await rig.dispatch(inputs('honest'))).status, 200);
        await rig.sim.lie('empty-dispatch');
        assert.notEqual((await rig.dispatch(inputs('empty'))).status, 200);
    });

    it('no-retry-after: by the header that a limit was ordered with', async () => {
        const hint = async () => {
            await rig.sim.fault({
                on: 'api',
                kind: 'secondary',
                route: 'GET /repos/acme/infra',
                count: 1,
                seconds: 1,
            });
            return (await rig.call('GET', '/repos/acme/infra')).headers.get('retry-after');
        };
        assert.equal(await hint(), '1');
        await rig.sim.lie('no-retry-after');
        assert.equal(await hint(), null);
    });

    it("wrong-signature: by GitHub's own library", async () => {
        const verifier = new Webhooks({ secret: 'a webhook secret' });
        const isValid = async () => {
            const [one] = rig.hook.of('workflow_run');
            return verifier.verify(
                one?.raw.toString('utf8') ?? '',
                String(one?.headers['x-hub-signature-256']),
            );
        };
        await runWith(undefined);
        assert.equal(await isValid(), true);
        rig.hook.got = [];
        await runWith('wrong-signature');
        assert.equal(await isValid(), false);
    });
});
