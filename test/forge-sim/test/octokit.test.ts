import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { App } from '@octokit/app';
import { Octokit } from '@octokit/core';
import { throttling } from '@octokit/plugin-throttling';
import { inputs, Rig } from './helper.ts';

/* A client nobody here wrote: it knows how GitHub's authentication, paging and limits behave. */
describe("Octokit's App client", () => {
    let rig: Rig;
    let octokit: Octokit;
    const limited: string[] = [];
    before(async () => {
        rig = await Rig.start({ tokenFormat: 'stateless' });
        const settings = await rig.sim.settings();
        const Client = Octokit.plugin(throttling).defaults({
            baseUrl: rig.sim.ready.api,
            throttle: {
                onRateLimit: (seconds: number) => {
                    limited.push(`primary ${seconds}`);
                    return true;
                },
                onSecondaryRateLimit: (seconds: number) => {
                    limited.push(`secondary ${seconds}`);
                    return true;
                },
            },
        });
        const app = new App({
            appId: settings.app.id,
            privateKey: settings.app.private_key,
            Octokit: Client,
        });
        octokit = (await app.getInstallationOctokit(
            rig.repo.installation_id ?? 0,
        )) as unknown as Octokit;
    });
    after(() => rig.stop());

    it('signs in, dispatches and reads the run', async () => {
        const made = (await octokit.request(
            'POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches',
            {
                owner: 'acme',
                repo: 'infra',
                workflow_id: 'plan.yaml',
                ref: 'main',
                inputs: inputs('octo-1'),
                return_run_details: true,
            } as never,
        )) as { status: number; data: { workflow_run_id: number } };
        assert.equal(made.status, 200);
        const run = await octokit.request('GET /repos/{owner}/{repo}/actions/runs/{run_id}', {
            owner: 'acme',
            repo: 'infra',
            run_id: made.data.workflow_run_id,
        });
        assert.equal(run.data.display_title, 'plan vpc/dev/octo-1');
    });

    it('follows the redirect of a renamed repository', async () => {
        await rig.sim.rename('acme/infra', 'renamed');
        const found = await octokit.request('GET /repos/{owner}/{repo}', {
            owner: 'acme',
            repo: 'infra',
        });
        assert.equal(found.data.full_name, 'acme/renamed');
        await rig.sim.rename('acme/renamed', 'infra');
    });

    it('recognises a secondary limit, waits for retry-after and succeeds', async () => {
        await rig.sim.fault({
            on: 'api',
            kind: 'secondary',
            route: 'GET /repos/acme/infra',
            count: 1,
            seconds: 1,
        });
        const found = await octokit.request('GET /repos/{owner}/{repo}', {
            owner: 'acme',
            repo: 'infra',
        });
        assert.equal(found.status, 200);
        assert.deepEqual(limited, ['secondary 1']);
        assert.equal((await rig.sim.referee()).calls.whileLimited, 0);
    });

    it('recognises an exhausted quota, waits for its reset and succeeds', async () => {
        limited.length = 0;
        await rig.sim.control('POST', '/limits/reset');
        await rig.sim.fault({
            on: 'api',
            kind: 'primary',
            route: 'GET /repos/acme/infra',
            count: 1,
            seconds: 1,
        });
        const found = await octokit.request('GET /repos/{owner}/{repo}', {
            owner: 'acme',
            repo: 'infra',
        });
        assert.equal(found.status, 200);
        assert.match(limited[0] ?? '', /^primary [23]$/);
    });

    it('comments and finds the words of GitHub in the error', async () => {
        const where = { owner: 'acme', repo: 'infra', issue_number: 1 };
        await rig.sim.openPull('acme/infra', { head: 'feature', files: { a: 'b' } });
        const route = 'POST /repos/{owner}/{repo}/issues/{issue_number}/comments';
        const made = await octokit.request(route, { ...where, body: 'hello' });
        assert.equal(made.data.user?.login, 'signalbox-test[bot]');
        await assert.rejects(
            octokit.request(route, { ...where, body: 'x'.repeat(65_537) }),
            /Body is too long/,
        );
    });
});
