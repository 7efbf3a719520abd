import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Webhooks } from '@octokit/webhooks';
import { files, inputs, Rig } from './helper.ts';
import { WebhookSchemas } from './schemas.ts';

const wanted = [
    'ping',
    'installation.created',
    'installation.suspend',
    'installation.unsuspend',
    'installation_repositories.added',
    'installation_repositories.removed',
    'pull_request.opened',
    'pull_request.synchronize',
    'pull_request.closed',
    'pull_request.reopened',
    'pull_request.edited',
    'pull_request.labeled',
    'pull_request.unlabeled',
    'pull_request.converted_to_draft',
    'pull_request.ready_for_review',
    'pull_request.enqueued',
    'pull_request.dequeued',
    'push',
    'release.created',
    'release.published',
    'release.released',
    'merge_group.checks_requested',
    'merge_group.destroyed',
    'check_suite.requested',
    'check_suite.rerequested',
    'check_run.created',
    'check_run.completed',
    'check_run.rerequested',
    'check_run.requested_action',
    'workflow_run.requested',
    'workflow_run.in_progress',
    'workflow_run.completed',
    'workflow_job.queued',
    'workflow_job.waiting',
    'workflow_job.in_progress',
    'workflow_job.completed',
    'issue_comment.created',
    'issue_comment.edited',
    'issue_comment.deleted',
    'repository.renamed',
    'repository.archived',
    'repository.edited',
    'deployment_review.requested',
    'deployment_review.approved',
    'deployment_review.rejected',
    'pull_request.locked',
    'release.prereleased',
];

/** Does everything once that makes a webhook. */
async function everything(rig: Rig): Promise<void> {
    const { sim } = rig;
    const id = rig.repo.installation_id ?? 0;
    await sim.ping();
    for (const action of ['created', 'suspend', 'unsuspend']) await sim.installation(id, action);
    const other = await sim.createRepo({ owner: 'acme', name: 'other', files });
    await sim.installation(id, 'repositories', { remove: [other.id] });
    await sim.installation(id, 'repositories', { add: [other.id] });
    const pull = await sim.openPull('acme/infra', {
        head: 'feature',
        files: { 'stacks/dev.yaml': 'vars: { a: 1 }\n' },
    });
    const at = (number: number) => ['acme/infra', number] as const;
    const check = await rig.call('POST', '/repos/acme/infra/check-runs', {
        name: 'Signalbox',
        head_sha: pull.head_sha,
        status: 'in_progress',
        output: { title: 't', summary: 's' },
    });
    assert.equal(check.status, 201);
    await rig.call('PATCH', `/repos/acme/infra/check-runs/${check.body['id']}`, {
        conclusion: 'success',
    });
    await sim.checkRequest('acme/infra', Number(check.body['id']));
    await sim.checkRequest('acme/infra', Number(check.body['id']), 'release');
    await sim.control('POST', `/repos/acme%2Finfra/check-suites/${pull.head_sha}/rerequest`, {});
    await sim.pushToPull(...at(1), { 'stacks/dev.yaml': 'vars: { a: 2 }\n' });
    await sim.setDraft(...at(1), true);
    await sim.setDraft(...at(1), false);
    await sim.label(...at(1), 'no-apply');
    await sim.label(...at(1), 'no-apply', false);
    await sim.editPull(...at(1), { title: 'Another title', body: 'Another text' });
    await sim.closePull(...at(1));
    await sim.reopenPull(...at(1));
    const comment = await sim.comment(...at(1), 'octocat', 'looks good');
    await sim.editComment('acme/infra', comment.id, 'octocat', 'looks better');
    await sim.deleteComment('acme/infra', comment.id, 'octocat');
    const ours = await rig.call('POST', '/repos/acme/infra/issues/1/comments', { body: 'status' });
    assert.equal(ours.status, 201);
    const first = await sim.mergeGroup(...at(1));
    await sim.mergeGroupEnd('acme/infra', first.head_sha, 'dequeued');
    await sim.mergePull(...at(1));
    await sim.openPull('acme/infra', {
        head: 'queued',
        files: { 'stacks/prod.yaml': 'vars: {}\n' },
    });
    const group = await sim.mergeGroup(...at(2));
    await sim.mergeGroupEnd('acme/infra', group.head_sha, 'merged');
    await sim.release('acme/infra', { tag: 'v1.0.0' });
    await sim.release('acme/infra', { tag: 'v1.1.0-rc.1', prerelease: true });
    await sim.pullActivity(...at(2), 'locked');
    await sim.openPull('acme/infra', { head: 'feature', fork: 'stranger', files: { a: 'b' } });
    await sim.addEnvironment('acme/infra', 'production', ['mona']);
    const refused = await rig.dispatch(inputs('w-0'), 'apply.yaml');
    await sim.run(Number(refused.body['workflow_run_id']), 'reject', { sender: 'mona' });
    const waiting = await rig.dispatch(inputs('w-1'), 'apply.yaml');
    await sim.run(Number(waiting.body['workflow_run_id']), 'approve');
    await sim.editRepo('acme/infra', { default_branch: 'queued' });
    await sim.editRepo('acme/infra', { archived: true });
    await sim.rename('acme/infra', 'infrastructure');
    await sim.idle();
}

describe('emitted webhooks', () => {
    let rig: Rig;
    const schemas = new WebhookSchemas();
    before(async () => {
        rig = await Rig.start();
        await everything(rig);
    });
    after(() => rig.stop());

    it('cover every event the App is promised', () => {
        const got = new Set(
            rig.hook.got.map((one) => {
                const action = one.body['action'];
                return typeof action === 'string' ? `${one.event}.${action}` : one.event;
            }),
        );
        assert.deepEqual(
            wanted.filter((name) => !got.has(name)),
            [],
        );
    });

    it("have bodies that pass GitHub's current schemas", () => {
        const complaints = new Set(
            rig.hook.got.flatMap((one) => schemas.complaints(one.event, one.body)),
        );
        assert.deepEqual([...complaints], []);
    });

    it('carry the headers GitHub declares as required', () => {
        for (const one of rig.hook.got) {
            const missing = schemas
                .requiredHeaders(one.event)
                .filter((name) => one.headers[name] === undefined);
            assert.deepEqual(missing, [], one.event);
            assert.match(String(one.headers['user-agent']), /^GitHub-Hookshot\//);
        }
    });

    it("verify with GitHub's own library", async () => {
        const verifier = new Webhooks({ secret: 'a webhook secret' });
        for (const one of rig.hook.got) {
            const signature = String(one.headers['x-hub-signature-256']);
            assert.equal(await verifier.verify(one.raw.toString('utf8'), signature), true);
        }
    });

    it('are as heavy as the real ones', () => {
        const sizes = rig.hook.of('workflow_run').map((one) => one.raw.length);
        assert.ok(Math.min(...sizes) > 8_000, `smallest is ${Math.min(...sizes)}`);
        assert.ok(Math.max(...sizes) < 25_000, `biggest is ${Math.max(...sizes)}`);
    });
});
