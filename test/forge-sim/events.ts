import type {
    CheckRun,
    CheckSuite,
    Comment,
    Installation,
    Job,
    MergeGroup,
    Pull,
    Release,
    Repo,
    Run,
    User,
} from './model.ts';
import { fullName } from './model.ts';
import type { Deliveries } from './deliveries.ts';
import type { World } from './world.ts';
import {
    installationShape,
    organizationShape,
    repoShape,
    repoTinyShape,
    userShape,
    commitSimpleShape,
    type Origin,
} from './shapes.ts';
import { commentShape, issueShape, pullShape, releaseShape } from './shapes-pull.ts';
import {
    checkRunEventShape,
    jobShape,
    runShape,
    suiteShape,
    workflowShape,
} from './shapes-checks.ts';
import { iso, nodeId, type Json, nowMs } from './util.ts';

const always_sent = new Set(['ping', 'installation', 'installation_repositories']);

/** Builds the body of every webhook and hands it to the sender, if the App asked for that event. */
export class Events {
    at: Origin = { api: '', html: '' };
    lies: Set<string> = new Set();
    private world: World;
    private deliveries: Deliveries;

    constructor(world: World, deliveries: Deliveries) {
        this.world = world;
        this.deliveries = deliveries;
    }

    ping(): void {
        const app = this.world.app;
        this.deliveries.emit('ping', null, null, null, {
            zen: 'Keep it logically awesome.',
            hook_id: app.hookId,
            hook: {
                type: 'App',
                id: app.hookId,
                name: 'web',
                active: true,
                events: app.events,
                app_id: app.id,
                config: {
                    content_type: app.contentType,
                    insecure_ssl: app.insecureSsl,
                    secret: '********',
                    url: app.webhookUrl,
                },
                updated_at: new Date(nowMs()).toISOString(),
                created_at: new Date(nowMs()).toISOString(),
                deliveries_url: `${this.at.api}/app/hook/deliveries`,
            },
        });
    }

    installation(action: string, one: Installation, sender: User): void {
        const repositories = this.reposOf([...one.repositoryIds]);
        this.deliveries.emit('installation', action, one.id, null, {
            action,
            installation: installationShape(one, this.world.app, this.at),
            repositories,
            requester: null,
            sender: userShape(sender, this.at),
        });
    }

    installationRepositories(
        action: 'added' | 'removed',
        one: Installation,
        ids: number[],
        sender: User,
    ): void {
        const repositories = this.reposOf(ids);
        this.deliveries.emit('installation_repositories', action, one.id, null, {
            action,
            installation: installationShape(one, this.world.app, this.at),
            repository_selection: 'selected',
            repositories_added: action === 'added' ? repositories : [],
            repositories_removed: action === 'removed' ? repositories : [],
            requester: null,
            sender: userShape(sender, this.at),
        });
    }

    pull(action: string, repo: Repo, pull: Pull, sender: User, extra: Json = {}): void {
        this.send('pull_request', action, repo, sender, {
            number: pull.number,
            pull_request: pullShape(repo, pull, this.at, nowMs()),
            ...extra,
        });
    }

    async push(
        repo: Repo,
        ref: string,
        before: string,
        after: string,
        sender: User,
        forced: boolean,
    ): Promise<void> {
        const zero = '0'.repeat(40);
        const commit = after === zero ? undefined : await repo.git.commit(after);
        const html = `${this.at.html}/${fullName(repo)}`;
        const shape = commit
            ? {
                  ...commitSimpleShape(commit),
                  distinct: true,
                  url: `${html}/commit/${after}`,
                  added: [],
                  removed: [],
                  modified: [],
              }
            : null;
        const repository = repoShape(repo, this.at);
        this.send('push', null, repo, sender, {
            ref,
            before,
            after,
            created: before === zero,
            deleted: after === zero,
            forced,
            base_ref: null,
            compare: `${html}/compare/${before.slice(0, 12)}...${after.slice(0, 12)}`,
            commits: shape ? [shape] : [],
            head_commit: shape,
            pusher: { name: sender.login, email: `${sender.login}@example.test` },
            repository: {
                ...repository,
                created_at: Math.floor(repo.createdAt / 1000),
                pushed_at: Math.floor(repo.pushedAt / 1000),
                master_branch: repo.defaultBranch,
            },
        });
    }

    release(action: string, repo: Repo, release: Release, sender: User, extra: Json = {}): void {
        this.send('release', action, repo, sender, {
            release: releaseShape(repo, release, this.at),
            ...extra,
        });
    }

    async mergeGroup(
        action: string,
        repo: Repo,
        group: MergeGroup,
        sender: User,
        extra: Json = {},
    ): Promise<void> {
        const commit = await repo.git.commit(group.headSha);
        this.send('merge_group', action, repo, sender, {
            merge_group: {
                head_sha: group.headSha,
                head_ref: group.headRef,
                base_sha: group.baseSha,
                base_ref: group.baseRef,
                head_commit: commit ? commitSimpleShape(commit) : null,
            },
            ...extra,
        });
    }

    async checkSuite(action: string, repo: Repo, suite: CheckSuite, sender: User): Promise<void> {
        const commit = await repo.git.commit(suite.sha);
        if (!commit) return;
        this.send('check_suite', action, repo, sender, {
            check_suite: suiteShape(repo, suite, commit, this.world.app, this.at),
        });
    }

    checkRun(action: string, repo: Repo, run: CheckRun, sender: User, extra: Json = {}): void {
        this.send('check_run', action, repo, sender, {
            check_run: checkRunEventShape(repo, run, this.world.app, this.at),
            ...extra,
        });
    }

    async run(action: string, run: Run): Promise<void> {
        const commit = await run.repo.git.commit(run.headSha);
        if (!commit) return;
        this.send('workflow_run', action, run.repo, run.triggeringActor, {
            workflow_run: runShape(run, commit, this.at),
            workflow: workflowShape(run.repo, run.workflow, run.name, this.at),
        });
    }

    job(action: string, run: Run, job: Job): void {
        this.send('workflow_job', action, run.repo, run.triggeringActor, {
            workflow_job: jobShape(run, job, this.at),
        });
    }

    comment(
        action: string,
        repo: Repo,
        pull: Pull,
        comment: Comment,
        sender: User,
        extra: Json = {},
    ): void {
        this.send('issue_comment', action, repo, sender, {
            ...extra,
            issue: issueShape(repo, pull, this.at),
            comment: commentShape(repo, comment, this.world.app, this.at),
        });
    }

    repository(action: string, repo: Repo, sender: User, extra: Json = {}): void {
        this.send('repository', action, repo, sender, extra);
    }

    /** The environment's reviewers are asked, or have answered. */
    async review(
        action: 'requested' | 'approved' | 'rejected',
        run: Run,
        who: User,
    ): Promise<void> {
        const commit = await run.repo.git.commit(run.headSha);
        const job = run.jobs.find((one) => one.environment !== undefined);
        if (!commit || !job) return;
        const asked = run.repo.environments.get(job.environment ?? '')?.reviewers ?? [];
        const user = userShape(who, this.at);
        const jobRun = {
            id: job.id,
            name: job.name,
            status: job.status,
            conclusion: null,
            environment: job.environment,
            html_url: jobShape(run, job, this.at)['html_url'],
            created_at: iso(job.createdAt),
            updated_at: iso(run.updatedAt),
        };
        this.send('deployment_review', action, run.repo, who, {
            workflow_run: runShape(run, commit, this.at),
            since: iso(run.updatedAt),
            reviewers: asked.map((login) => ({
                type: 'User',
                reviewer: userShape(this.world.user(login), this.at),
            })),
            ...(action === 'requested'
                ? { environment: job.environment, requestor: user, workflow_job_run: jobRun }
                : { approver: user, comment: '', workflow_job_runs: [jobRun] }),
        });
    }

    private reposOf(ids: number[]): Json[] {
        return ids.map((id) => repoTinyShape(this.world.repo(id)));
    }

    private send(event: string, action: string | null, repo: Repo, sender: User, body: Json): void {
        const installation = this.world.installationFor(repo);
        if (!installation || installation.suspendedAt !== null) return;
        if (!always_sent.has(event) && !installation.events.includes(event)) return;
        const payload: Json = {
            ...(action === null ? {} : { action }),
            ...body,
            repository: body['repository'] ?? repoShape(repo, this.at),
            sender: userShape(sender, this.at),
            installation: {
                id: installation.id,
                node_id: nodeId('MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9u', installation.id),
            },
        };
        if (repo.owner.type === 'Organization')
            payload['organization'] = organizationShape(repo.owner, this.at);
        this.applyLies(event, payload);
        this.deliveries.emit(event, action, installation.id, repo.id, payload);
    }

    /** Deliberate lies: the checkers in the tests have to notice each of them. */
    private applyLies(event: string, payload: Json): void {
        if (this.lies.has('missing-field')) delete payload['repository'];
        const run = payload['workflow_run'] as Json | undefined;
        if (event === 'workflow_run' && run && this.lies.has('wrong-type'))
            run['id'] = String(run['id']);
        if (event === 'workflow_run' && run && this.lies.has('wrong-state')) run['status'] = 'done';
    }
}
