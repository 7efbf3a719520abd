/*
 * The real atmos CLI against the real server (issue text point 9): only the terraform binary is a stub. Where the CLI cannot be had,
 * each test here is counted as skipped, with the reason.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { PullView } from '../forge-sim/client.ts';
import type { RunnerOrder } from '../forge-sim/runners.ts';
import { all_success, apply_file, Box, plan_file } from './box.ts';

const atmos = process.env['SIGNALBOX_ATMOS'] ?? join(homedir(), '.cache/signalbox/bin/atmos');
const skip = existsSync(atmos) ? false : `no atmos CLI at ${atmos}: ./dev setup installs v1.226.1 with Go, or set SIGNALBOX_ATMOS`;
const sample = join(import.meta.dirname, 'sample');
const components = ['network', 'cluster', 'app', 'team/dashboard'];
const stacks = ['acme-dev', 'acme-prod'];

interface Said {
    code: number | null;
    text: string;
}

/** A clone of the repository, as a job of GitHub Actions would have it, and the CLI in it. */
class Job {
    readonly box: Box;
    readonly dir: string;
    private readonly base: string;

    constructor(box: Box, gitDir: string) {
        this.box = box;
        this.dir = join(box.dir, 'clone');
        this.base = join(box.dir, 'base');
        for (const dir of [this.dir, this.base]) {
            execFileSync('git', ['clone', '--quiet', gitDir, dir]);
            execFileSync('git', ['-C', dir, 'remote', 'set-url', 'origin', 'https://github.com/acme/infra.git']);
        }
    }

    checkout(gitDir: string, ref: string): void {
        execFileSync('git', ['-C', this.dir, 'fetch', '--quiet', gitDir, ref]);
        execFileSync('git', ['-C', this.dir, 'checkout', '--quiet', 'FETCH_HEAD']);
    }

    async env(order: RunnerOrder): Promise<Record<string, string>> {
        return { ...(await this.box.sim.runnerEnv(this.box.repo, order)), ...this.own() };
    }

    /** What every job has, whatever event it is for. */
    own(): Record<string, string> {
        return {
            PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
            HOME: this.box.dir,
            SSL_CERT_FILE: this.box.sim.ready.ca,
            ATMOS_PRO_BASE_URL: this.box.serve.url,
            ATMOS_PRO_WORKSPACE_ID: this.box.workspace,
            ATMOS_COMPONENTS_TERRAFORM_COMMAND: join(sample, 'bin/terraform.ts'),
            ATMOS_VERSION_CHECK_ENABLED: 'false',
        };
    }

    async say(order: RunnerOrder, ...args: string[]): Promise<Said> {
        const env = await this.env(order);
        return new Promise((done) => {
            const child = spawn(atmos, args, { cwd: this.dir, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
            let text = '';
            child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
            child.stderr.setEncoding('utf8').on('data', (part: string) => (text += part));
            child.on('close', (code) => done({ code, text }));
        });
    }

    async affected(order: RunnerOrder): Promise<void> {
        const said = await this.say(order, 'describe', 'affected', '--repo-path', this.base, '--upload', '--include-dependents');
        assert.equal(said.code, 0, said.text);
    }

    /** From now on each dispatched run is carried out by the CLI. */
    async runners(verb: 'plan' | 'apply', file: string): Promise<void> {
        for (const stack of stacks)
            for (const component of components) {
                const extra = verb === 'apply' ? ['--', '-auto-approve'] : [];
                await this.box.sim.script({
                    match: { workflow: file, component, stack },
                    exec: [atmos, 'terraform', verb, component, '-s', stack, '--upload-status', ...extra],
                    cwd: this.dir,
                    env: this.own(),
                });
            }
    }
}

const ofPull = (pull: PullView, ref = `refs/pull/${pull.number}/merge`): RunnerOrder => ({
    event_name: 'pull_request', ref, head_ref: pull.head_ref, base_ref: 'main', sha: pull.head_sha, workflow: 'affected.yaml',
});
const onMain: RunnerOrder = { event_name: 'push', ref: 'refs/heads/main', workflow: 'instances.yaml' };

describe('the real atmos CLI', () => {
    let box: Box;
    let job: Job;
    let pull: PullView;

    before(async () => {
        if (skip) return;
        box = await Box.open({ wired: true, files: { 'README.md': '# placeholder\n' }, serve: {} });
        /* The sample takes the place of the placeholder, history and all. */
        const files = execFileSync('find', ['.', '-type', 'f'], { cwd: sample, encoding: 'utf8' }).trim().split('\n');
        const tree = Object.fromEntries(files.map((file) => [file.slice(2), readFileSync(join(sample, file), 'utf8')]));
        box.base = (await box.sim.pushFiles(box.repo, 'main', tree)).sha;
        const { git_dir } = await box.sim.repo(box.repo);
        job = new Job(box, git_dir);
        pull = await box.pull({ files: { 'components/terraform/network/main.tf': `${tree['components/terraform/network/main.tf']}variable "zone" { default = 2 }\n` } });
        job.checkout(git_dir, pull.head_ref);
    });
    after(async () => {
        await box?.close();
    });

    it('describe affected --upload: exchange and upload; each plan runs in order and reports its exit code', { skip }, async () => {
        await job.runners('plan', plan_file);
        await job.affected(ofPull(pull));
        const batch = await box.ended('opened', pull.head_sha, 120_000);
        assert.ok(all_success(await box.states(batch.id)), await box.state());
        assert.equal((await box.nodes(batch.id)).length, stacks.length * components.length);
        const runs = (await box.runs()).filter((run) => run.batchId === batch.id);
        for (const run of runs) {
            assert.equal(run.reported, 'plan', `${run.component} in ${run.stack} reported`);
            assert.equal(run.exitCode, run.component === 'network' ? 2 : 0);
        }
        const parts = stacks.flatMap((stack) => [
            { component: 'cluster', stack, after: ['network'] },
            { component: 'app', stack, after: ['cluster'] },
            { component: 'team/dashboard', stack, after: ['app'] },
        ]);
        await box.inOrder(plan_file, parts);
    });

    it('after the merge the same command makes the applies go out, and each reports', { skip }, async () => {
        await job.runners('apply', apply_file);
        await box.sim.mergePull(box.repo, pull.number);
        await job.affected(ofPull(pull, 'refs/heads/main'));
        const batch = await box.ended('merged', undefined, 120_000);
        assert.ok(all_success(await box.states(batch.id)), await box.state());
        const runs = (await box.runs()).filter((run) => run.batchId === batch.id);
        assert.ok(runs.every((run) => run.reported === 'apply' && run.exitCode === 0), JSON.stringify(runs));
        await box.clean();
    });

    it('list instances --upload: the whole inventory, the abstract component left out', { skip }, async () => {
        const said = await job.say(onMain, 'list', 'instances', '--upload');
        assert.equal(said.code, 0, said.text);
        const known = await box.all<{ component: string; stack: string; driftEnabled: boolean }>('/api/v1/instances');
        const wanted = stacks.flatMap((stack) => components.map((component) => `${stack} ${component}`)).sort();
        assert.deepEqual(known.map((one) => `${one.stack} ${one.component}`).sort(), wanted);
        assert.ok(known.every((one) => one.driftEnabled));
    });

    it('pro lock and unlock: the second lock says who holds it, the second unlock that there is none', { skip }, async () => {
        const at = ['--component', 'cluster', '--stack', 'acme-prod'];
        const first = await job.say(onMain, 'pro', 'lock', ...at, '--ttl', '300', '--message', 'moving the state');
        assert.equal(first.code, 0, first.text);
        const second = await job.say(onMain, 'pro', 'lock', ...at, '--ttl', '300');
        assert.notEqual(second.code, 0);
        assert.match(second.text, /moving the state/);
        const [lock] = await box.all<{ key: string }>('/api/v1/locks');
        assert.equal(lock?.key, 'acme/infra/acme-prod/cluster');
        assert.equal((await job.say(onMain, 'pro', 'unlock', ...at)).code, 0);
        assert.notEqual((await job.say(onMain, 'pro', 'unlock', ...at)).code, 0);
        await box.noLocks();
    });

    it('a tiny max_payload_bytes: the upload comes in chunks and is one upload', { skip }, async () => {
        const file = join(job.dir, 'atmos.yaml');
        writeFileSync(file, readFileSync(file, 'utf8').replace('pro: {}', 'pro: { max_payload_bytes: 1500 }'));
        const before = await box.all<{ id: string }>('/api/v1/uploads');
        await job.affected(ofPull(pull, 'refs/heads/main'));
        const uploads = await box.all<{ id: string; instances: number }>('/api/v1/uploads');
        const added = uploads.filter((one) => !before.some((old) => old.id === one.id));
        assert.equal(added.length, 1);
        assert.equal(added[0]!.instances, stacks.length * components.length);
        const posts = box.serve.log().split('\n').filter((line) => /method=POST path=\/api\/v1\/affected-stacks status=200/.test(line));
        assert.ok(posts.length >= 4, 'more requests than uploads');
    });
});
