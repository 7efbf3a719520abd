/*
 * The story: a pull request touches 24 instances; they are planned in order; one plan fails and is run again; the merge applies
 * them in order. People and machines on the other side are the simulator's; everything on ours is the real server.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ForgeSim, PullView, RepoView } from '../forge-sim/client.ts';
import { Api, type Batch, type Node, type Run } from './api.ts';
import { affectedSet, changedFiles, instances, sampleFiles, standsOn } from './sample.ts';
import type { Screen } from './screen.ts';

export interface Pace {
    runMs: number;
    look_ms: number;
}
/** What is compared between a quiet story and one with a kill in the middle. */
export interface End {
    plan: Record<string, number>;
    apply: Record<string, number>;
    verdicts: string[];
    runs: number;
    duplicates: number;
    comments: number;
    /** The record of an apply is a comment of its own. */
    results: number;
    checks: string[];
    disorder: string[];
}

const repository = 'acme/infra';
const failing = { component: 'data/postgres', stack: 'plat-use1-staging' };
const batch_ms_max = 120_000;

export class Story {
    private sim: ForgeSim;
    private api: Api;
    private screen: Screen;
    private pace: Pace;
    private workspace = '';
    private base = '';
    comment = '';
    /** Called at each look, with how much of the batch is done: the place for a kill. */
    looked: (title: string, share: number) => Promise<void> = async () => {};

    constructor(sim: ForgeSim, api: Api, screen: Screen, pace: Pace) {
        this.sim = sim;
        this.api = api;
        this.screen = screen;
        this.pace = pace;
    }

    async play(): Promise<End> {
        await this.sim.script({ conclusion: 'success', queueMs: this.pace.runMs / 4, runMs: this.pace.runMs });
        await this.sim.script({
            match: { workflow: 'atmos-terraform-plan.yaml', ...failing },
            conclusion: 'failure',
            queueMs: 0,
            runMs: this.pace.runMs,
            count: 1,
        });
        await this.openRepository();
        const pull = await this.openPull();
        const planned = await this.plan(pull);
        const applied = await this.apply(pull);
        return this.end(pull, planned, applied);
    }

    private async openRepository(): Promise<RepoView> {
        const [workspace] = await this.api.all<{ id: string }>('/api/v1/workspaces');
        this.workspace = workspace!.id;
        const repo = await this.sim.createRepo({ owner: 'acme', name: 'infra', files: sampleFiles() });
        this.base = repo.head!;
        await this.sim.installation(repo.installation_id!, 'created');
        await this.until('the repository to be known', async () => {
            const known = await this.api.all<{ owner: string; name: string }>('/api/v1/repositories');
            return known.some((one) => `${one.owner}/${one.name}` === repository);
        });
        this.screen.say(`1. The App is installed in ${repository}: 8 components in 3 stacks.`);
        return repo;
    }

    private async openPull(): Promise<PullView> {
        const pull = await this.sim.openPull(repository, {
            head: 'second-zone',
            title: 'A second availability zone',
            files: changedFiles,
        });
        this.screen.say(`2. Pull request #${pull.number} changes the network; ${instances.length} instances are affected.`);
        return pull;
    }

    private async plan(pull: PullView): Promise<Batch> {
        await this.upload(pull, `refs/pull/${pull.number}/merge`);
        this.screen.say('3. The CLI uploads the affected set; plans go out, what others stand on first.');
        const batch = await this.batchFor(pull.head_sha, ['opened', 'synchronize']);
        await this.watch('plan', batch.id);
        const failed = (await this.nodes(batch.id)).filter((node) => node.state === 'failure');
        this.screen.say(`4. ${failed.map((node) => `${node.component} in ${node.stack}`).join(', ')} failed. Somebody runs it again.`);
        await this.api.call('POST', `/api/v1/batches/${batch.id}/retry`);
        await this.watch('plan', batch.id);
        return batch;
    }

    private async apply(pull: PullView): Promise<Batch> {
        await this.sim.mergePull(repository, pull.number);
        await this.upload(pull, 'refs/heads/main');
        this.screen.say(`5. #${pull.number} is merged; applies go out, each only after what it stands on has succeeded.`);
        const batch = await this.batchFor(pull.head_sha, ['merged']);
        await this.watch('apply', batch.id);
        return batch;
    }

    /** What `atmos describe affected --upload` does in a workflow of the pull request. */
    private async upload(pull: PullView, ref: string): Promise<void> {
        const order = { event_name: 'pull_request', ref, head_ref: pull.head_ref, base_ref: 'main', sha: pull.head_sha };
        const token = await this.sim.mintOidc({ repo: repository, runner: { ...order, workflow: 'atmos-affected.yaml' } });
        const visitor = new Api(this.api.url, '');
        const session = await visitor.call<{ token: string }>('POST', '/api/v1/auth/github-oidc', {
            token,
            workspaceId: this.workspace,
        });
        await new Api(this.api.url, session.token).call('POST', '/api/v1/affected-stacks', {
            head_sha: pull.head_sha,
            base_sha: this.base,
            repo_url: `https://github.com/${repository}`,
            repo_name: 'infra',
            repo_owner: 'acme',
            repo_host: 'github.com',
            stacks: affectedSet(),
        });
    }

    private async batchFor(head: string, activities: string[]): Promise<Batch> {
        let found: Batch | undefined;
        await this.until(`a batch for ${activities.join(' or ')}`, async () => {
            const batches = await this.api.all<Batch>(`/api/v1/batches?repo=${repository}&head_sha=${head}`);
            found = batches.find((batch) => activities.includes(batch.activity));
            return found !== undefined;
        });
        return found!;
    }

    private nodes(batchId: string): Promise<Node[]> {
        return this.api.all<Node>(`/api/v1/batches/${batchId}/nodes`);
    }

    private async watch(title: string, batchId: string): Promise<void> {
        for (const end = Date.now() + batch_ms_max; ; await sleep(this.pace.look_ms)) {
            const [batch, nodes] = await Promise.all([this.api.call<Batch>('GET', `/api/v1/batches/${batchId}`), this.nodes(batchId)]);
            this.screen.progress(title, nodes);
            const done = nodes.filter((node) => node.state === 'success').length;
            await this.looked(title, done / instances.length);
            if (batch.state === 'ended') return this.screen.settle();
            if (Date.now() > end) throw new Error(`the ${title}s did not end within ${batch_ms_max / 1000} s`);
        }
    }

    private async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
        for (const end = Date.now() + 60_000; !(await isSo()); await sleep(this.pace.look_ms / 2))
            if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    }

    private async end(pull: PullView, planned: Batch, applied: Batch): Promise<End> {
        await this.feedbackSettled(pull);
        const forge = await this.sim.repo(repository);
        const verdict = await this.sim.referee();
        const batches = await this.api.all<Batch>(`/api/v1/batches?repo=${repository}`);
        return {
            plan: count(await this.nodes(planned.id)),
            apply: count(await this.nodes(applied.id)),
            verdicts: batches.map((batch) => `${batch.activity} ${batch.state} ${batch.verdict}`).sort(),
            runs: verdict.runs.intents,
            duplicates: verdict.runs.duplicateCount,
            comments: forge.comments.filter((comment) => comment.via_app && !comment.deleted && comment.body.startsWith('<!-- signalbox:change:')).length,
            results: forge.comments.filter((comment) => comment.via_app && !comment.deleted && comment.body.startsWith('<!-- signalbox:result:')).length,
            checks: forge.check_runs.filter((check) => check.sha === pull.head_sha && check.name !== 'plan' && check.name !== 'apply')
                .map((check) => `${check.status} ${check.conclusion}`),
            disorder: [...(await this.disorder(planned.id)), ...(await this.disorder(applied.id))],
        };
    }

    /** What the forge knows of each run that it got twice. */
    async doubles(): Promise<object[]> {
        const runs = await this.sim.runs(repository);
        const ids = Object.values((await this.sim.referee()).runs.duplicates).flat();
        return runs.filter((run) => ids.includes(run.id)).map(({ id, display_title, created_at_ms }) => ({ id, display_title, at: new Date(created_at_ms) }));
    }

    /** The comment is written a little later than the last result; it is settled when it stays as it is. */
    private async feedbackSettled(pull: PullView): Promise<void> {
        const text = async () => {
            const forge = await this.sim.repo(repository);
            const ours = forge.comments.filter((comment) => comment.via_app && comment.number === pull.number && !comment.deleted);
            const checks = forge.check_runs.map((check) => `${check.id} ${check.status} ${check.conclusion} ${check.revisions}`);
            /* Ours, and the result of the apply. */
            return [ours.length > 1 ? ours[0]!.body : '', checks.join() + ours.length] as const;
        };
        for (let still = 0, last = '', end = Date.now() + 60_000; still < 6 && Date.now() < end; await sleep(250)) {
            const [comment, checks] = await text();
            still = comment !== '' && comment + checks === last ? still + 1 : 0;
            last = comment + checks;
            this.comment = comment;
        }
    }

    /** Nothing may have started before all that it stands on had ended. Times of the API are whole seconds; the forge's are exact. */
    private async disorder(batchId: string): Promise<string[]> {
        const nodes = await this.nodes(batchId);
        const runs = (await this.api.all<Run & { stack: string; component: string; forgeRunId: number }>('/api/v1/runs')).filter(
            (run) => run.batchId === batchId && run.attempt === 1,
        );
        const forge = new Map((await this.sim.runs(repository)).map((run) => [String(run.id), run]));
        const ofRun = (component: string, stack: string) => {
            const run = runs.find((one) => one.component === component && one.stack === stack);
            return run && forge.get(String(run.forgeRunId));
        };
        const wrong: string[] = [];
        for (const { component, stack } of nodes) {
            const run = ofRun(component, stack);
            if (!run) wrong.push(`${component} in ${stack} never ran`);
            for (const name of standsOn[component] ?? []) {
                const ended = ofRun(name, stack)?.history.find((step) => step.status === 'completed')?.at;
                if (run && (ended === undefined || run.created_at_ms < ended)) wrong.push(`${component} in ${stack} before ${name}`);
            }
        }
        return wrong;
    }
}

function count(nodes: Node[]): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const node of nodes) counts[node.state] = (counts[node.state] ?? 0) + 1;
    return counts;
}

/** What a story has to come to, whatever happened on the way; each sentence is something wrong. */
export function complaints(end: End): string[] {
    const wrong = [...end.disorder];
    const want = (name: string, have: unknown, should: unknown) => {
        if (JSON.stringify(have) !== JSON.stringify(should)) wrong.push(`${name}: ${JSON.stringify(have)}, should be ${JSON.stringify(should)}`);
    };
    want('plans', end.plan, { success: instances.length });
    want('applies', end.apply, { success: instances.length });
    want('batches', end.verdicts, ['merged ended success', 'opened ended success']);
    want('runs on the forge', end.runs, 2 * instances.length + 1);
    want('runs that the forge saw twice', end.duplicates, 0);
    want('comments', end.comments, 1);
    want('records of applies', end.results, 1);
    want('checks at the commit', end.checks, ['completed success']);
    return wrong;
}
