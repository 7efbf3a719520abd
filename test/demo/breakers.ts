/*
 * The second story: circuit breakers. 247 stacks behind one line, held until somebody with rights ticks a box; a burst of pushes, paused
 * and resumed; a draft, made ready. On the way `signalbox explain` says why nothing moves.
 */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { workflow } from '../e2e/graph.ts';
import type { ForgeSim, PullView } from '../forge-sim/client.ts';
import { Api, type Batch, type Node } from './api.ts';
import type { Screen } from './screen.ts';
import type { Pace } from './story.ts';

const repository = 'acme/platform';
const plan_file = 'atmos-terraform-plan.yaml';
const stacks_many = 247;
const stacks_few = 6;
const patience_ms = 60_000;

/** What the story has to come to; each sentence of complaints() is something wrong. */
export interface BreakersEnd {
    held: string[];
    ranWhileHeld: number;
    released: Record<string, number>;
    notice: string;
    heads: string[];
    resumed: Record<string, number>;
    draft: Record<string, number>;
    duplicates: number;
    openTicks: number;
    audit: string[];
}

interface Reason {
    code: string;
    text: string;
    change: string | null;
}

function affectedSet(count: number): object[] {
    return Array.from({ length: count }, (_, i) => {
        const instance = { component: 'shared/labels', stack: `team-${String(i + 1).padStart(3, '0')}-prod` };
        const plan = { workflows: { [plan_file]: { inputs: instance } } };
        return {
            ...instance,
            component_type: '',
            component_path: '',
            stack_slug: '',
            settings: { pro: { enabled: true, pull_request: { opened: plan, synchronize: plan, reopened: plan } } },
            dependents: [],
            included_in_dependents: false,
        };
    });
}

export class Breakers {
    private sim: ForgeSim;
    private api: Api;
    private screen: Screen;
    private pace: Pace;
    private program: string;
    private workspace = '';
    private base = '';
    private end: BreakersEnd = {
        held: [], ranWhileHeld: 0, released: {}, notice: '', heads: [], resumed: {}, draft: {}, duplicates: 0, openTicks: 0, audit: [],
    };

    constructor(sim: ForgeSim, api: Api, screen: Screen, pace: Pace, program: string) {
        this.sim = sim;
        this.api = api;
        this.screen = screen;
        this.pace = pace;
        this.program = program;
    }

    async play(): Promise<BreakersEnd> {
        await this.sim.script({ conclusion: 'success', queueMs: this.pace.runMs / 4, runMs: this.pace.runMs });
        await this.openRepository();
        await this.manyStacks();
        await this.manyPushes();
        await this.draft();
        this.end.duplicates = (await this.sim.referee()).runs.duplicateCount;
        const forge = await this.sim.repo(repository);
        const ours = forge.comments.filter((comment) => comment.via_app && !comment.deleted);
        this.end.openTicks = ours.filter((comment) => /- \[x\]/i.test(comment.body)).length;
        return this.end;
    }

    private async openRepository(): Promise<void> {
        const [workspace] = await this.api.all<{ id: string }>('/api/v1/workspaces');
        this.workspace = workspace!.id;
        const files = { 'modules/labels/main.tf': '# labels\n', [`.github/workflows/${plan_file}`]: workflow('plan') };
        const repo = await this.sim.createRepo({ owner: 'acme', name: 'platform', files });
        this.base = repo.head!;
        await this.sim.addUser(repository, 'ana', 'write');
        await this.sim.addUser(repository, 'eve', 'read');
        await this.sim.installation(repo.installation_id!, 'created');
        let id = 0;
        await this.until('the repository to be known', async () => {
            const known = await this.api.all<{ id: number; owner: string; name: string }>('/api/v1/repositories');
            id = known.find((one) => `${one.owner}/${one.name}` === repository)?.id ?? 0;
            return id > 0;
        });
        await this.api.call('PATCH', `/api/v1/repositories/${id}/settings`, { threshold_hold: true, threshold: 50, rapid_push_hold: true });
        this.screen.say(`6. ${repository} turns on its circuit breakers: at most 50 stacks, at most 3 pushes in 10 minutes, without a person's word.`);
    }

    /* ---- 247 stacks behind one line ---- */

    private async manyStacks(): Promise<void> {
        const pull = await this.sim.openPull(repository, {
            head: 'one-line', title: 'One line in a shared module', files: { 'modules/labels/main.tf': '# one line\n' }, sender: 'ana',
        });
        await this.upload(pull, pull.head_sha, stacks_many);
        this.screen.say(`7. One line in a shared module: pull request #${pull.number} affects ${stacks_many} stacks. The whole batch is held.`);
        const batch = await this.held(pull.head_sha);
        this.end.held = (await this.explain(pull)).map((reason) => reason.code);
        await this.tick(pull, 'eve', /- \[ \] \*\*Dispatch all/);
        this.end.notice = await this.noticeOf(pull, 'eve');
        this.screen.say(`8. eve, who may only read, ticks the box: it is undone. "${this.end.notice}"`);
        this.end.ranWhileHeld = (await this.sim.runs(repository)).length;
        await this.tick(pull, 'ana', /- \[ \] \*\*Dispatch all/);
        this.screen.say('9. ana, who may write, ticks it: they all go.');
        this.end.released = await this.watch(batch.id);
        interface Row {
            action: string;
            actor: { id: string };
            target: { id: string };
        }
        const { items } = await this.api.call<{ items: Row[] }>('GET', '/api/v1/audit?limit=500');
        this.end.audit = items.filter((row) => row.target.id === batch.id && /releas/.test(row.action)).map((row) => `${row.action} by ${row.actor.id}`);
    }

    /* ---- a burst of pushes ---- */

    private async manyPushes(): Promise<void> {
        const pull = await this.sim.openPull(repository, { head: 'in-a-hurry', title: 'In a hurry', files: { 'a.tf': '# 0\n' }, sender: 'ana' });
        const heads = [pull.head_sha];
        await this.upload(pull, pull.head_sha, stacks_few);
        for (let i = 1; i <= 5; i++) {
            const { head_sha } = await this.sim.pushToPull(repository, pull.number, { 'a.tf': `# ${i}\n` });
            heads.push(head_sha);
            await this.upload(pull, head_sha, stacks_few);
        }
        const newest = heads.at(-1)!;
        await this.held(newest);
        this.screen.say(`10. Five pushes to #${pull.number} in a row: its dispatches are paused, and the pushes pile up.`);
        this.end.held.push(...(await this.explain(pull)).map((reason) => reason.code));
        await this.tick(pull, 'ana', /- \[ \] \*\*Resume dispatches/);
        this.screen.say('11. ana resumes: only the newest commit goes.');
        this.end.resumed = await this.watch((await this.batchOf(newest)).id);
        const batches = await this.api.all<Batch>(`/api/v1/batches?repo=${repository}`);
        this.end.heads = heads.slice(-2).map((head) => batches.find((batch) => batch.headSha === head)?.verdict ?? 'none');
    }

    /* ---- a draft ---- */

    private async draft(): Promise<void> {
        const pull = await this.sim.openPull(repository, { head: 'unfinished', title: 'Unfinished', files: { 'b.tf': '#\n' }, draft: true, sender: 'ana' });
        await this.upload(pull, pull.head_sha, stacks_few);
        const batch = await this.held(pull.head_sha);
        this.screen.say(`12. #${pull.number} is a draft: its status is there, and nothing is dispatched.`);
        this.end.held.push(...(await this.explain(pull)).map((reason) => reason.code));
        await this.sim.setDraft(repository, pull.number, false, 'ana');
        this.screen.say('13. It is marked ready for review: it goes on by itself.');
        this.end.draft = await this.watch(batch.id);
    }

    /* ---- hands and eyes ---- */

    private async upload(pull: PullView, head: string, count: number): Promise<void> {
        const order = { event_name: 'pull_request', ref: `refs/pull/${pull.number}/merge`, head_ref: pull.head_ref, base_ref: 'main', sha: head };
        const token = await this.sim.mintOidc({ repo: repository, runner: { ...order, workflow: 'atmos-affected.yaml' } });
        const visitor = new Api(this.api.url, '');
        const session = await visitor.call<{ token: string }>('POST', '/api/v1/auth/github-oidc', { token, workspaceId: this.workspace });
        await new Api(this.api.url, session.token).call('POST', '/api/v1/affected-stacks', {
            head_sha: head,
            base_sha: this.base,
            repo_url: `https://github.com/${repository}`,
            repo_name: 'platform',
            repo_owner: 'acme',
            repo_host: 'github.com',
            stacks: affectedSet(count),
        });
    }

    private async batchOf(head: string): Promise<Batch> {
        const found = await this.api.all<Batch>(`/api/v1/batches?repo=${repository}&head_sha=${head}`);
        if (!found[0]) throw new Error(`there is no batch for ${head}`);
        return found[0];
    }

    private async held(head: string): Promise<Batch> {
        await this.until(`the batch of ${head.slice(0, 7)} to be held`, async () => {
            const found = await this.api.all<Batch>(`/api/v1/batches?repo=${repository}&head_sha=${head}`);
            return found[0]?.state === 'held';
        });
        return this.batchOf(head);
    }

    /** What somebody sees who asks on the command line; the reasons are read from the API once more. */
    private async explain(pull: PullView): Promise<Reason[]> {
        const what = `${repository}#${pull.number}`;
        const env = { ...process.env, SIGNALBOX_URL: this.api.url, SIGNALBOX_TOKEN: this.api.token };
        console.log(`\n   $ signalbox explain '${what}'`);
        if (this.screen.isLive) execFileSync(this.program, ['explain', what], { env, stdio: ['ignore', 'inherit', 'inherit'] });
        else
            for (const line of execFileSync(this.program, ['explain', what], { env, encoding: 'utf8' }).trimEnd().split('\n')) {
                const [number, , , , text, change] = line.split('\t');
                console.log(`   ${number}. ${text}${change ? `\n      → ${change}` : ''}`);
            }
        console.log('');
        const repos = await this.api.all<{ id: number; owner: string; name: string }>('/api/v1/repositories');
        const { id } = repos.find((one) => `${one.owner}/${one.name}` === repository)!;
        return (await this.api.call<{ reasons: Reason[] }>('GET', `/api/v1/repositories/${id}/pulls/${pull.number}/explain`)).reasons;
    }

    private async comment(pull: PullView): Promise<{ id: number; body: string } | undefined> {
        const forge = await this.sim.repo(repository);
        return forge.comments.find((comment) => comment.via_app && comment.number === pull.number && !comment.deleted);
    }

    /** A person ticks a box of our comment, as the forge's page does it. */
    private async tick(pull: PullView, login: string, box: RegExp): Promise<void> {
        let seen: { id: number; body: string } | undefined;
        await this.until('the box in the comment', async () => box.test((seen = await this.comment(pull))?.body ?? ''));
        const body = seen!.body.replace(box, (found) => found.replace('[ ]', '[x]'));
        await this.sim.editComment(repository, seen!.id, login, body);
    }

    /** The line that says what came of the last order. */
    private async noticeOf(pull: PullView, login: string): Promise<string> {
        let line = '';
        await this.until(`an answer to ${login}`, async () => {
            const body = (await this.comment(pull))?.body ?? '';
            line = body.split('\n').find((one) => one.includes(login)) ?? '';
            return line !== '' && !/- \[x\]/i.test(body);
        });
        return line.replaceAll(/[*_>`\u200b]|<!--.*?-->/g, '').trim();
    }

    private async watch(batchId: string): Promise<Record<string, number>> {
        for (const end = Date.now() + patience_ms; ; await sleep(this.pace.look_ms)) {
            const batch = await this.api.call<Batch & { counts: Record<string, number> }>('GET', `/api/v1/batches/${batchId}`);
            this.screen.bar('plan', batch.counts['success'] ?? 0, batch.counts['failure'] ?? 0, batch.nodeCount);
            if (batch.state === 'ended') {
                this.screen.settle();
                return this.count(batchId);
            }
            if (Date.now() > end) throw new Error(`${batchId} did not end within ${patience_ms / 1000} s: ${JSON.stringify(batch)}`);
        }
    }

    private async count(batchId: string): Promise<Record<string, number>> {
        const counts: Record<string, number> = {};
        for (const node of await this.api.all<Node>(`/api/v1/batches/${batchId}/nodes`)) counts[node.state] = (counts[node.state] ?? 0) + 1;
        return counts;
    }

    private async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
        for (const end = Date.now() + patience_ms; !(await isSo()); await sleep(this.pace.look_ms / 2))
            if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    }
}

export function breakersSum(end: BreakersEnd): string {
    return (
        `held: ${end.held.filter((code) => code.startsWith('held_')).join(', ')}; sent while held: ${end.ranWhileHeld}; released by a tick: ${end.released['success'] ?? 0}; ` +
        `after resuming: ${end.resumed['success'] ?? 0}; the draft, made ready: ${end.draft['success'] ?? 0}; runs twice: ${end.duplicates}`
    );
}

export function breakersComplaints(end: BreakersEnd): string[] {
    const wrong: string[] = [];
    const want = (name: string, have: unknown, should: unknown) => {
        if (JSON.stringify(have) !== JSON.stringify(should)) wrong.push(`${name}: ${JSON.stringify(have)}, should be ${JSON.stringify(should)}`);
    };
    want('reasons for the holds', end.held.filter((code) => code.startsWith('held_')), ['held_threshold', 'held_rapid_push', 'held_draft']);
    want('runs while everything was held', end.ranWhileHeld, 0);
    want('released by a tick', end.released, { success: stacks_many });
    want('the two last heads of the burst', end.heads, ['superseded', 'success']);
    want('after resuming', end.resumed, { success: stacks_few });
    want('the draft, made ready', end.draft, { success: stacks_few });
    want('runs that the forge saw twice', end.duplicates, 0);
    want('the audit of the tick', end.audit, ['dispatch.released by ana']);
    want('boxes left ticked', end.openTicks, 0);
    return wrong;
}
