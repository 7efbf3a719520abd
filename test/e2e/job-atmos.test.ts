/*
 * The real atmos CLI in a job: a workflow file with shell and atmos steps. What runner.md reads in its source is looked at here. Where the CLI
 * cannot be had, each test is counted as skipped, with the reason.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { JobHouse, noNamespaces, repository, type Job, type Order } from './job-rig.ts';

const atmos = process.env['SIGNALBOX_ATMOS'] ?? join(homedir(), '.cache/signalbox/bin/atmos');
const skip = existsSync(atmos)
    ? false
    : `no atmos CLI at ${atmos}: ./dev setup installs v1.226.1 with Go, or set SIGNALBOX_ATMOS`;

const files = {
    'atmos.yaml': `
base_path: "."
workflows: { base_path: workflows }
components:
  terraform: { base_path: components/terraform, auto_generate_backend_file: false }
stacks:
  base_path: stacks
  included_paths: ["*.yaml"]
  name_template: "{{ .vars.stage }}"
templates: { settings: { enabled: true } }
logs: { file: /dev/stderr, level: Info }
`,
    'stacks/dev.yaml': `
vars: { stage: dev }
components:
  terraform:
    vpc:
      vars:
        region: !env ATMOS_RUNNER_VAR_region
        fallback: !env ATMOS_RUNNER_VAR_absent none-given
`,
    'components/terraform/vpc/main.tf': 'variable "region" {}\n',
    'workflows/ops.yaml': `
name: ops
workflows:
  deploy all:
    steps:
      - { name: greet, type: shell, command: 'echo "region is $ATMOS_RUNNER_VAR_region"; cat "$ATMOS_RUNNER_VARS_FILE"' }
      - { name: look, command: describe component vpc --format yaml --query .vars }
  fails:
    steps:
      - { name: first, type: shell, command: echo one }
      - { name: the second, type: shell, command: 'echo two; exit 42' }
      - { name: third, type: shell, command: echo three }
      - { name: after, type: shell, command: echo in the end, when: always }
  unnamed: { steps: [{ type: shell, command: exit 7 }] }
  bad-step: { steps: [{ name: nothing, command: describe component no-such-component }] }
  sleeps: { steps: [{ name: sleep, type: shell, command: 'echo asleep; sleep 1000 && echo awake' }] }
  for-ever: { steps: [{ name: again, type: shell, command: 'echo try; exit 3', retry: {} }] }
  environment: { steps: [{ name: env, type: shell, command: env }] }
`,
    'workflows/more.yaml':
        'workflows:\n  deploy all:\n    steps:\n      - { name: other, type: shell, command: echo from the other file }\n',
};

describe('the real atmos CLI in a job', { skip }, () => {
    let house: JobHouse;
    let repo: { dir: string; head: string };

    before(() => {
        house = new JobHouse();
        repo = repository(join(house.dir, 'repo'), files);
        /* Where it is installed, the runner's user may not come. */
        execFileSync('cp', [atmos, join(house.dir, 'atmos')]);
    });
    after(async () => {
        await house?.close();
    });

    const order = (workflow: string, more: Partial<Order> = {}): Order => ({
        workflow,
        repo: { url: repo.dir, allowLocal: true },
        atmos: join(house.dir, 'atmos'),
        ...more,
    });
    const run = (workflow: string, more: Partial<Order> = {}): Promise<Job> =>
        house.run(order(workflow, more));

    it('variables reach a shell step, an atmos step and !env in a stack; a hostile value stays a value', async () => {
        const region = 'eu-west-1"; touch /tmp/owned; echo "$(id) #';
        const job = await run('deploy all', { workflowFile: 'ops', vars: { region } });
        assert.equal(job.result.outcome, 'succeeded', `${JSON.stringify(job.result)} ${job.log()}`);
        assert.equal(job.result.exitCode, 0);
        assert.equal(job.result.commit, repo.head);
        assert.ok(job.log().includes(`region is ${region}\n`), job.log());
        assert.ok(job.log().includes(JSON.stringify({ region })), job.log());
        assert.match(job.log(), /region: .*eu-west-1"; touch \/tmp\/owned; echo "\$\(id\) #/);
        assert.match(job.log(), /fallback: none-given/);
        assert.equal(existsSync('/tmp/owned'), false);
    });

    it('the exit code of a failing step arrives, 42 as 42, with the name of the step; what runs always still runs', async () => {
        const job = await run('fails');
        assert.equal(job.result.outcome, 'failed');
        assert.equal(job.result.reason, 'exit_code');
        assert.equal(job.result.exitCode, 42, job.log());
        assert.equal(job.result.failedStep, 'the second', job.log());
        assert.match(job.result.error, /step 'the second' failed: exit code 42/);
        assert.match(job.log(), /one\ntwo\n/);
        assert.match(job.log(), /in the end/);
        assert.doesNotMatch(job.log(), /^three$/m);
    });

    it('a step without a name is called by its number', async () => {
        const { result } = await run('unnamed');
        assert.equal(result.exitCode, 7);
        assert.equal(result.failedStep, 'step1');
    });

    it('an atmos step that fails', async () => {
        const { result } = await run('bad-step');
        assert.equal(result.exitCode, 1);
        assert.equal(result.failedStep, 'nothing');
    });

    it('a workflow that is not there, and one that two files have', async () => {
        const missing = await run('nope');
        assert.equal(missing.result.exitCode, 1);
        assert.match(missing.log(), /no workflow found/i);
        const ambiguous = await run('deploy all');
        assert.equal(ambiguous.result.exitCode, 1, ambiguous.log());
        const named = await run('deploy all', { workflowFile: 'more' });
        assert.match(named.log(), /from the other file/);
    });

    it('a dry run prints and does nothing', async () => {
        const job = await run('fails', { dryRun: true });
        assert.equal(job.result.outcome, 'succeeded', job.log());
    });

    it('--vars is not known to it: varsMode flag fails, as the documentation says', async () => {
        const job = await run('unnamed', { vars: { a: 'b' }, varsMode: 'flag' });
        assert.equal(job.result.exitCode, 1);
        assert.match(job.log(), /unknown flag --vars/);
    });

    it('the environment of a step is ours and no other', async () => {
        const { result, ...job } = await run('environment', {
            env: { AWS_REGION: 'eu-west-1' },
        }).then((one) => ({ result: one.result, log: one.log() }));
        const names = job.log
            .split('\n')
            .map((line) => /^([A-Za-z_]+)=/.exec(line)?.[1])
            .filter((name) => name !== undefined)
            .sort();
        assert.equal(result.outcome, 'succeeded');
        assert.deepEqual(
            names.filter((name) => !/^ATMOS_(CONTAINER_RUNTIME_AUTO_START|SHLVL)$/.test(name)),
            [
                'ATMOS_INTERACTIVE',
                'ATMOS_PAGER',
                'ATMOS_RUNNER_VARS_FILE',
                'ATMOS_TELEMETRY_ENABLED',
                'ATMOS_VERSION_CHECK_ENABLED',
                'AWS_REGION',
                'CI',
                'HOME',
                'LANG',
                'NO_COLOR',
                'PATH',
                'TF_INPUT',
                'TF_IN_AUTOMATION',
                'TMPDIR',
                'XDG_CACHE_HOME',
                'XDG_CONFIG_HOME',
                'XDG_DATA_HOME',
                'XDG_RUNTIME_DIR',
                'XDG_STATE_HOME',
            ],
        );
    });

    it('cancel: the step that runs is interrupted', async () => {
        const job = await house.start(order('sleeps'));
        await job.said('asleep');
        job.say({ order: 'cancel' });
        const end = await job.end();
        assert.equal(end.reason, 'cancelled');
        assert.equal(end.signal === '' ? end.exitCode! > 0 : true, true);
        assert.doesNotMatch(job.log(), /awake/);
    });

    it('the time limit', async () => {
        const job = await run('sleeps', { deadlineMs: Date.now() + 8_000 });
        assert.equal(job.result.reason, 'timeout', job.log());
        assert.doesNotMatch(job.log(), /awake/);
    });

    it('retry: {} tries for ever; the time limit ends it', async () => {
        const { result, ...said } = await run('for-ever', { deadlineMs: Date.now() + 8_000 }).then(
            (job) => ({ result: job.result, log: job.log() }),
        );
        assert.equal(result.reason, 'timeout', said.log);
        /* On a slow machine it may have come to nothing, but never to one attempt alone. */
        assert.notEqual(said.log.match(/^try$/gm)?.length, 1);
        assert.doesNotMatch(said.log, /max attempts/);
    });

    it(
        'killed (-9), the job takes atmos and its steps with it',
        { skip: noNamespaces },
        async () => {
            const job = await house.start(order('sleeps'));
            await job.said('asleep');
            job.child.kill('SIGKILL');
            await job.exit();
            house.sweep(job);
        },
    );

    it('the service dies: the workflow is interrupted, the folder goes', async () => {
        const job = await house.start(order('sleeps'));
        await job.said('asleep');
        job.release();
        assert.equal(await job.exit(), 0);
        assert.equal(existsSync(job.workDir), false);
    });
});
