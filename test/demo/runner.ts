/* Chapter 3 of the demo: a runner beside the server. An action is set off, its workflow runs on the runner, the callback ends the run. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ForgeSim } from '../forge-sim/client.ts';
import { RunnerHouse, shell, until } from '../e2e/runner-house.ts';
import type { Api } from './api.ts';
import type { Screen } from './screen.ts';

const repository = 'acme/tenants';

/** What the Atmos repository of the demo holds: one workflow a tenant is provisioned with, one that fails, one that takes long. */
const files: Record<string, string> = {
    'atmos.yaml': `base_path: "."
workflows: { base_path: workflows }
components: { terraform: { base_path: components/terraform } }
stacks: { base_path: stacks, included_paths: ["*.yaml"], name_template: "{{ .vars.stage }}" }
`,
    'stacks/tenant-acme.yaml': 'vars: { stage: tenant-acme }\n',
    'workflows/tenants.yaml': `name: tenants
workflows:
  provision-tenant:
    steps:
      - { name: account, type: shell, command: 'echo "an account for $ATMOS_RUNNER_VAR_customer"' }
      - { name: database, type: shell, command: 'echo "a database of size $ATMOS_RUNNER_VAR_size, password $ATMOS_RUNNER_VAR_db_password"' }
  break-tenant:
    steps:
      - { name: account, type: shell, command: echo this account exists already >&2; exit 42 }
  watch-tenant:
    steps:
      - { name: watch, type: shell, command: sleep 600 }
`,
};

/** Where the atmos CLI is not to be had: the shell steps of a workflow as it is written above, and nothing else of it. */
const standIn = shell([
    `awk -v name="$2" '$0 == "  " name ":" { on = 1; next } /^  [a-z]/ { on = 0 }`,
    `    on && sub(/.*type: shell, command: /, "") { sub(/ }$/, ""); gsub(/^\\047|\\047$/, ""); print }' workflows/tenants.yaml |`,
    'while read -r command; do sh -ec "$command" || exit; done',
]);

const definition = (workflow: string, port: number, password = 'db-password'): unknown => ({
    parameters: [{ name: 'customer_id', required: true }],
    trigger: {
        type: 'atmos-workflow',
        workflow,
        stack: 'tenant-{{ parameters.customer_id }}',
        vars: { customer: '{{ parameters.customer_id }}', size: '1', db_password: `{{ secrets.${password} }}` },
        runner: {
            endpoint: `http://127.0.0.1:${port}/dispatch`,
            auth: { type: 'bearer', token: '{{ secrets.atmos-runner-token }}' },
        },
        waitForCompletion: true,
    },
});

const quoted = (text: string | null | undefined): string =>
    (text ?? '').trimEnd().split('\n').map((line) => `   │ ${line}`).join('\n');

interface ActionRun {
    id: string;
    state: string;
    error: string | null;
    metadata: { exitCode?: number; logTail?: string } | null;
}

export interface RunnerEnd {
    states: string[];
    exitCode: number | undefined;
    isPasswordShown: boolean;
    left: string[];
}

export function runnerComplaints(end: RunnerEnd): string[] {
    const wrong: string[] = [];
    const wanted = ['succeeded', 'failed', 'failed', 'cancelled'];
    if (end.states.join() !== wanted.join()) wrong.push(`the runs should have ended as ${wanted.join(', ')}; they are ${end.states.join(', ')}`);
    if (end.exitCode !== 42) wrong.push(`the failing step ended with 42, the run says ${end.exitCode}`);
    if (end.isPasswordShown) wrong.push('a secret stands in the log of a run');
    if (end.left.length > 0) wrong.push(`left behind: ${end.left.join(', ')}`);
    return wrong;
}

export const runnerSum = (end: RunnerEnd): string =>
    `runs of actions: ${end.states.join(', ')}; exit code of the failing one: ${end.exitCode}; secrets in logs: ${end.isPasswordShown ? 'yes' : '0'}; left behind: ${end.left.length}`;

export class RunnerStory {
    private readonly sim: ForgeSim;
    private readonly api: Api;
    private readonly screen: Screen;
    private readonly program: string;

    constructor(sim: ForgeSim, api: Api, screen: Screen, program: string) {
        this.sim = sim;
        this.api = api;
        this.screen = screen;
        this.program = program;
    }

    async play(): Promise<RunnerEnd> {
        const real = process.env['SIGNALBOX_ATMOS'];
        process.env['SIGNALBOX_BIN'] ??= this.program;
        const repo = await this.sim.createRepo({ owner: 'acme', name: 'tenants', files });
        await this.sim.installation(repo.installation_id!, 'created');
        await this.known();
        const house = await RunnerHouse.open({ files, atmos: real ? readFileSync(real) : standIn });
        try {
            this.screen.say(`A runner listens at http://127.0.0.1:${house.port}; it clones ${repository} and runs ${real ? 'the atmos CLI' : 'a stand-in for the atmos CLI, which is not on this machine'}.`);
            return await this.runs(house);
        } finally {
            await house.close();
        }
    }

    private async runs(house: RunnerHouse): Promise<RunnerEnd> {
        const password = randomBytes(12).toString('hex');
        house.secrets.set('the password', password);
        this.screen.say(`1. Its token and a password become secrets of ${repository}; actions say which workflow is run, and where.`);
        await this.command(['secrets', 'set', 'atmos-runner-token', '--repo', repository], house.authToken);
        await this.command(['secrets', 'set', 'db-password', '--repo', repository], password);
        for (const workflow of ['provision-tenant', 'break-tenant', 'watch-tenant'])
            await this.command(['actions', 'set', workflow, '--repo', repository], JSON.stringify(definition(workflow, house.port)), false);
        await this.command(['actions', 'set', 'lost-tenant', '--repo', repository], JSON.stringify(definition('provision-tenant', house.port, 'no-such-secret')), false);

        this.screen.say('2. Somebody sets one off. The runner clones, runs the workflow, and calls back.');
        const done = await this.setOff('provision-tenant', 'succeeded');
        console.log(quoted(done.metadata?.logTail));
        this.screen.say('3. A step that fails: its exit code and its last words arrive.');
        const broken = await this.setOff('break-tenant', 'failed');
        console.log(quoted(`${broken.error}\n${broken.metadata?.logTail ?? ''}`));
        this.screen.say('4. A secret that is missing: nothing leaves the house.');
        const lost = await this.setOff('lost-tenant', 'failed');
        console.log(quoted(lost.error));
        this.screen.say('5. One that takes long is stopped: the order goes to the runner, and the whole process group ends.');
        const watched = await this.setOff('watch-tenant', 'running');
        await this.command(['action-runs', 'cancel', watched.id]);
        const stopped = await this.ended(watched.id, 'cancelled');

        const all = [done, broken, lost, stopped];
        const logs = JSON.stringify(all) + house.log;
        return {
            states: all.map((run) => run.state),
            exitCode: broken.metadata?.exitCode,
            isPasswordShown: logs.includes(password),
            left: house.list('work'),
        };
    }

    private async setOff(action: string, state: string): Promise<ActionRun> {
        const said = await this.command(['actions', 'run', action, '--repo', repository, '--param', 'customer_id=acme', '--json']);
        return this.ended((JSON.parse(said) as { id: string }).id, state);
    }

    /** In this state, or in one that it never leaves. */
    private async ended(id: string, state: string): Promise<ActionRun> {
        const last = ['succeeded', 'failed', 'cancelled', 'timed_out'];
        const run = await until(`${id} is ${state}`, async () => {
            const now = await this.api.call<ActionRun>('GET', `/api/v1/action-runs/${id}`);
            return now.state === state || last.includes(now.state) ? now : undefined;
        });
        console.log(`   ${run.id} is ${run.state}`);
        return run;
    }

    /** As somebody types it; what is secret comes by standard input. */
    private command(args: string[], input = '', isShown = true): Promise<string> {
        if (isShown) console.log(`   $ signalbox ${args.join(' ')}${input === '' ? '' : ' < …'}`);
        const env = { ...process.env, SIGNALBOX_URL: this.api.url, SIGNALBOX_TOKEN: this.api.token };
        return new Promise((done, failed) => {
            const child = execFile(this.program, args, { env }, (error, stdout, stderr) => (error ? failed(new Error(stderr)) : done(stdout)));
            child.stdin!.end(input);
        });
    }

    private known(): Promise<number> {
        return until(`${repository} is known`, async () => {
            const all = await this.api.all<{ id: number; owner: string; name: string }>('/api/v1/repositories');
            return all.find((one) => `${one.owner}/${one.name}` === repository)?.id;
        });
    }
}
