import { spawn } from 'node:child_process';
import type { Events } from './events.ts';
import type { Faults } from './faults.ts';
import type { CheckRun, CheckSuite, Job, Repo, Run, Script, User, WorkflowRow } from './model.ts';
import { fullName } from './model.ts';
import type { Runners } from './runners.ts';
import type { World } from './world.ts';
import { globMatches, HttpError, notFound, type Json, nowMs } from './util.ts';
import { inputsResolve, render, type Workflow, type WorkflowJob } from './workflow.ts';

export interface Delays {
    queueMs: number;
    runMs: number;
    cancelMs: number;
    readableMs: number;
    listedMs: number;
}

interface Lane {
    running: Run | undefined;
    pending: Run | undefined;
}

/** The life of workflow runs: from the dispatch to the conclusion, with its webhooks. */
export class Runs {
    delays: Delays = { queueMs: 20, runMs: 50, cancelMs: 20, readableMs: 0, listedMs: 0 };
    scripts: { id: number; script: Script; left: number }[] = [];
    byId: Map<number, Run> = new Map();
    dispatching = 0;
    dispatchingMax = 0;
    private scriptNext = 1;
    private lanes: Map<string, Lane> = new Map();
    private world: World;
    private events: Events;
    private faults: Faults;
    private runners: Runners;

    constructor(world: World, events: Events, faults: Faults, runners: Runners) {
        this.world = world;
        this.events = events;
        this.faults = faults;
        this.runners = runners;
    }

    addScript(script: Script): number {
        const id = this.scriptNext++;
        this.scripts.unshift({ id, script, left: script.count ?? Infinity });
        return id;
    }

    isIdle(): boolean {
        return [...this.byId.values()].every(
            (run) => run.status === 'completed' || run.status === 'waiting',
        );
    }

    /** The dispatch call: checks as GitHub does, then starts the run. */
    async dispatch(
        repo: Repo,
        file: string,
        ref: string,
        given: Json,
        actor: User,
        inputsMax: number,
    ): Promise<Run> {
        const row = await this.rowOf(repo, file);
        if (row.disabled) throw new HttpError(422, 'Workflow is disabled');
        const sha = this.refSha(repo, ref);
        const workflow = await this.world.workflow(repo, row.path, sha);
        if (!workflow?.triggers.has('workflow_dispatch')) {
            throw new HttpError(422, "Workflow does not have 'workflow_dispatch' trigger");
        }
        const inputs = inputsResolve(workflow, given, inputsMax);
        const branch = ref.replace(/^refs\/(heads|tags)\//, '');
        return this.begin(repo, row, workflow, 'workflow_dispatch', branch, sha, inputs, actor);
    }

    /** A run of any event; what the forge does by itself on pushes and pull requests. */
    begin(
        repo: Repo,
        row: WorkflowRow,
        workflow: Workflow,
        event: string,
        ref: string,
        sha: string,
        inputs: Record<string, string>,
        actor: User,
    ): Run {
        const now = nowMs();
        const at = { inputs, github: this.contextOf(repo, event, ref, sha, actor, workflow) };
        const title = workflow.runName ? render(workflow.runName, at) : workflow.name;
        const suite: CheckSuite = {
            id: this.world.id('suite', 44_000_000_001),
            sha,
            branch: ref,
            before: null,
            createdAt: now,
            updatedAt: now,
            app: 'actions',
        };
        const run: Run = {
            id: this.world.id('run', 17_400_000_001),
            repo,
            workflow: row,
            name: workflow.name,
            event,
            ref,
            headSha: sha,
            inputs,
            displayTitle: title.trim() === '' ? workflow.name : title,
            runNumber: row.runNumberNext++,
            attempt: 1,
            status: 'queued',
            conclusion: null,
            actor,
            triggeringActor: actor,
            createdAt: now,
            startedAt: now,
            updatedAt: now,
            suite,
            jobs: [],
            readableAt: now,
            listedAt: now,
            timer: undefined,
            log: '',
            script: {},
            cancelling: false,
            kill: undefined,
            history: [],
            group: workflow.group ? render(workflow.group, at) : undefined,
        };
        this.hide(run, now);
        run.script = this.scriptFor(run);
        run.jobs = this.jobsOf(run, workflow.jobs);
        this.byId.set(run.id, run);
        repo.runs.set(run.id, run);
        void this.events.run('requested', run);
        this.queue(run, workflow.cancelInProgress);
        return run;
    }

    async rowOf(repo: Repo, file: string): Promise<WorkflowRow> {
        if (/^\d+$/.test(file)) {
            for (const row of repo.workflows.values()) if (row.id === Number(file)) return row;
            throw notFound();
        }
        const path = file.includes('/') ? file : `.github/workflows/${file}`;
        const tip = repo.git.branch(repo.defaultBranch);
        const workflow = tip ? await this.world.workflow(repo, path, tip) : undefined;
        if (!workflow) throw notFound();
        return this.world.workflowRow(repo, path);
    }

    cancel(run: Run): void {
        if (run.status === 'completed') {
            throw new HttpError(409, 'Cannot cancel a workflow run that is completed.');
        }
        run.cancelling = true;
        setTimeout(() => {
            if (run.status !== 'completed') this.complete(run, 'cancelled');
        }, this.delays.cancelMs);
    }

    rerun(run: Run, actor: User): void {
        if (run.status !== 'completed') {
            throw new HttpError(403, 'This workflow is already running');
        }
        const now = nowMs();
        this.note(run);
        run.attempt++;
        run.status = 'queued';
        run.conclusion = null;
        run.triggeringActor = actor;
        run.startedAt = run.updatedAt = now;
        run.cancelling = false;
        run.script = this.scriptFor(run);
        const jobs = run.jobs.map((job) => ({
            id: job.name,
            name: job.name,
            environment: job.environment,
            labels: job.labels,
        }));
        run.jobs = this.jobsOf(run, jobs);
        this.queue(run, false);
    }

    /** Somebody with the right pressed approve (or reject) on the waiting environment. */
    approve(run: Run, isApproved: boolean, who: User): void {
        if (run.status !== 'waiting')
            throw new HttpError(422, 'The run is not waiting for approval');
        void this.events.review(isApproved ? 'approved' : 'rejected', run, who);
        if (isApproved) this.enqueue(run);
        else this.complete(run, 'failure');
    }

    /** Forces an end from outside: the runner vanished, the job timed out. */
    finish(run: Run, conclusion: string): void {
        if (run.status === 'completed') throw new HttpError(409, 'The run is completed');
        this.complete(run, conclusion);
    }

    close(): void {
        for (const run of this.byId.values()) {
            clearTimeout(run.timer);
            run.kill?.();
        }
    }

    private hide(run: Run, nowMs: number): void {
        run.readableAt += this.delays.readableMs;
        run.listedAt += this.delays.readableMs + this.delays.listedMs;
        for (const fault of this.faults.forCall(
            `GET /repos/${fullName(run.repo)}/actions/runs/${run.id}`,
            true,
        )) {
            run.readableAt = nowMs + (fault.ms ?? 1000);
            run.listedAt = nowMs + (fault.ms ?? 1000);
        }
    }

    private refSha(repo: Repo, ref: string): string {
        const git = repo.git;
        const sha = ref.startsWith('refs/')
            ? git.refs.get(ref)
            : (git.refs.get('refs/heads/' + ref) ?? git.refs.get('refs/tags/' + ref));
        if (!sha) throw new HttpError(422, `No ref found for: ${ref}`);
        return sha;
    }

    private contextOf(
        repo: Repo,
        event: string,
        ref: string,
        sha: string,
        actor: User,
        workflow: Workflow,
    ): Json {
        return {
            repository: fullName(repo),
            repository_owner: repo.owner.login,
            event_name: event,
            ref_name: ref,
            ref: `refs/heads/${ref}`,
            sha,
            actor: actor.login,
            workflow: workflow.name,
        };
    }

    private scriptFor(run: Run): Script {
        for (const one of this.scripts) {
            if (one.left <= 0 || !scriptMatches(one.script, run)) continue;
            one.left--;
            return one.script;
        }
        return {};
    }

    private jobsOf(run: Run, jobs: WorkflowJob[]): Job[] {
        const now = nowMs();
        return jobs.map((job) => {
            const id = this.world.id('check', 49_000_000_001);
            const checkRun: CheckRun = {
                id,
                suite: run.suite,
                name: job.name,
                sha: run.headSha,
                status: 'queued',
                conclusion: null,
                externalId: '',
                detailsUrl: null,
                startedAt: now,
                completedAt: null,
                annotations: [],
                output: { title: null, summary: null, text: null },
                actions: [],
                app: 'actions',
                revisions: [],
            };
            const environment =
                job.environment === undefined
                    ? undefined
                    : render(job.environment, { inputs: run.inputs, github: {} });
            return {
                id,
                name: job.name,
                status: 'queued',
                conclusion: null,
                createdAt: now,
                startedAt: now,
                completedAt: null,
                labels: job.labels,
                environment,
                checkRun,
            };
        });
    }

    /** Concurrency group: one runs, one waits, a newer one cancels the waiting one. */
    private queue(run: Run, cancelInProgress: boolean): void {
        if (run.group === undefined) return this.admit(run);
        const key = `${run.repo.id}:${run.group}`;
        const lane = this.lanes.get(key) ?? { running: undefined, pending: undefined };
        this.lanes.set(key, lane);
        if (!lane.running) {
            lane.running = run;
            return this.admit(run);
        }
        const older = lane.pending;
        lane.pending = run;
        run.status = 'pending';
        if (older) this.complete(older, 'cancelled');
        if (cancelInProgress) this.cancel(lane.running);
    }

    private admit(run: Run): void {
        const isProtected = run.jobs.some(
            (job) =>
                job.environment !== undefined &&
                (run.repo.environments.get(job.environment)?.reviewers.length ?? 0) > 0,
        );
        if (run.script.approval || (isProtected && run.script.approval !== false)) {
            this.move(run, 'waiting');
            for (const job of run.jobs) this.events.job('waiting', run, job);
            void this.events.review('requested', run, run.triggeringActor);
            return;
        }
        this.enqueue(run);
    }

    private enqueue(run: Run): void {
        this.move(run, 'queued');
        for (const job of run.jobs) this.events.job('queued', run, job);
        run.timer = setTimeout(() => this.go(run), run.script.queueMs ?? this.delays.queueMs);
    }

    private go(run: Run): void {
        if (run.status === 'completed') return;
        this.move(run, 'in_progress');
        void this.events.run('in_progress', run);
        for (const job of run.jobs) this.events.job('in_progress', run, job);
        if (run.script.exec) {
            this.execute(run, run.script.exec);
            return;
        }
        const conclusion = run.script.conclusion ?? 'success';
        run.timer = setTimeout(
            () => this.complete(run, conclusion),
            run.script.runMs ?? this.delays.runMs,
        );
    }

    /** Runs a real program the way a runner would; its exit code decides. */
    private execute(run: Run, argv: string[]): void {
        const [program = '', ...rest] = argv;
        const child = spawn(program, rest, {
            cwd: run.script.cwd,
            stdio: ['ignore', 'pipe', 'pipe'],
            detached: true,
            env: { ...this.runners.environmentOf(run), ...run.script.env },
        });
        const keep = (part: Buffer) => {
            run.log = (run.log + part.toString('utf8')).slice(-1_000_000);
        };
        child.stdout.on('data', keep);
        child.stderr.on('data', keep);
        run.kill = () => {
            try {
                if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
            } catch {
                /* it ended by itself */
            }
        };
        child.on('error', (error) => {
            run.log += `cannot start ${program}: ${error.message}\n`;
            if (run.status !== 'completed') this.complete(run, 'startup_failure');
        });
        child.on('close', (code) => {
            run.kill = undefined;
            if (run.status !== 'completed') this.complete(run, code === 0 ? 'success' : 'failure');
        });
    }

    private move(run: Run, status: string): void {
        const now = nowMs();
        run.status = status;
        run.updatedAt = now;
        for (const job of run.jobs) {
            job.status = job.checkRun.status = status;
            if (status === 'in_progress') job.startedAt = now;
        }
        this.note(run);
    }

    private note(run: Run): void {
        run.history.push({
            at: nowMs(),
            attempt: run.attempt,
            status: run.status,
            conclusion: run.conclusion,
        });
    }

    private complete(run: Run, conclusion: string): void {
        const now = nowMs();
        const hadStarted = run.status === 'in_progress';
        clearTimeout(run.timer);
        run.status = 'completed';
        run.conclusion = conclusion;
        run.updatedAt = now;
        for (const job of run.jobs) {
            job.status = job.checkRun.status = 'completed';
            job.conclusion = job.checkRun.conclusion =
                conclusion === 'startup_failure' ? 'failure' : conclusion;
            job.completedAt = job.checkRun.completedAt = now;
        }
        this.note(run);
        run.kill?.();
        if (hadStarted || run.group === undefined)
            for (const job of run.jobs) this.events.job('completed', run, job);
        void this.events.run('completed', run);
        this.leaveLane(run);
    }

    private leaveLane(run: Run): void {
        const lane =
            run.group === undefined ? undefined : this.lanes.get(`${run.repo.id}:${run.group}`);
        if (!lane) return;
        if (lane.pending === run) lane.pending = undefined;
        if (lane.running !== run) return;
        lane.running = lane.pending;
        lane.pending = undefined;
        if (lane.running) this.admit(lane.running);
    }
}

function scriptMatches(script: Script, run: Run): boolean {
    const match = script.match ?? {};
    const file = run.workflow.path.slice(run.workflow.path.lastIndexOf('/') + 1);
    if (match.workflow !== undefined && !globMatches(match.workflow, file)) return false;
    if (match.ref !== undefined && !globMatches(match.ref, run.ref)) return false;
    if (match.stack !== undefined && !globMatches(match.stack, run.inputs['stack'] ?? ''))
        return false;
    if (
        match.component !== undefined &&
        !globMatches(match.component, run.inputs['component'] ?? '')
    )
        return false;
    return Object.entries(match.inputs ?? {}).every(([name, value]) =>
        globMatches(value, run.inputs[name] ?? ''),
    );
}
