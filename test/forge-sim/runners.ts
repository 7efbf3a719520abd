import { randomBytes } from 'node:crypto';
import type { Auth } from './auth.ts';
import { fullName, type Repo, type Run } from './model.ts';
import type { Oidc } from './oidc.ts';
import type { Origin } from './shapes.ts';
import type { World } from './world.ts';
import { type Json, nowMs } from './util.ts';

/** What a runner is told about its job. Anything left out gets a likely value. */
export interface RunnerOrder {
    event_name?: string;
    ref?: string;
    head_ref?: string;
    base_ref?: string;
    sha?: string;
    run_id?: number;
    run_number?: number;
    run_attempt?: number;
    actor?: string;
    environment?: string;
    workflow?: string;
    workflow_ref?: string;
    job_workflow_ref?: string;
    inputs?: Record<string, string>;
    immutable_sub?: boolean;
    claims?: Json;
}

function escapeSub(text: string): string {
    return text.replaceAll(':', '%3A');
}

/** The subject GitHub would write: environment before pull_request before ref. */
export function subjectOf(
    repo: Repo,
    order: { event_name: string; ref: string; environment?: string; isImmutable: boolean },
): string {
    const name = order.isImmutable
        ? `${repo.owner.login}@${repo.owner.id}/${repo.name}@${repo.id}`
        : fullName(repo);
    if (order.environment !== undefined)
        return `repo:${name}:environment:${escapeSub(order.environment)}`;
    if (order.event_name === 'pull_request') return `repo:${name}:pull_request`;
    return `repo:${name}:ref:${order.ref}`;
}

/** Makes runner environments and the OIDC claims behind them. */
export class Runners {
    at: Origin = { api: '', html: '' };
    private world: World;
    private oidc: Oidc;
    private auth: Auth;

    constructor(world: World, oidc: Oidc, auth: Auth) {
        this.world = world;
        this.oidc = oidc;
        this.auth = auth;
    }

    claimsOf(repo: Repo, order: RunnerOrder): Json {
        const event = order.event_name ?? 'workflow_dispatch';
        const ref = order.ref ?? `refs/heads/${repo.defaultBranch}`;
        const sha =
            order.sha ?? repo.git.resolve(ref.replace(/^refs\/heads\//, '')) ?? '0'.repeat(40);
        const actor = this.world.user(order.actor ?? 'octocat');
        const file = order.workflow ?? 'atmos-pro.yaml';
        const workflowRef =
            order.workflow_ref ?? `${fullName(repo)}/.github/workflows/${file}@${ref}`;
        const runId = order.run_id ?? this.world.id('run', 17_400_000_001);
        return {
            sub: subjectOf(repo, {
                event_name: event,
                ref,
                environment: order.environment,
                isImmutable: order.immutable_sub ?? false,
            }),
            ref,
            sha,
            repository: fullName(repo),
            repository_owner: repo.owner.login,
            repository_owner_id: String(repo.owner.id),
            run_id: String(runId),
            run_number: String(order.run_number ?? 1),
            run_attempt: String(order.run_attempt ?? 1),
            repository_visibility: repo.isPrivate ? 'private' : 'public',
            repository_id: String(repo.id),
            actor_id: String(actor.id),
            actor: actor.login,
            workflow: file,
            head_ref: order.head_ref ?? '',
            base_ref: order.base_ref ?? '',
            event_name: event,
            ref_protected: 'false',
            ref_type: ref.startsWith('refs/tags/') ? 'tag' : 'branch',
            workflow_ref: workflowRef,
            workflow_sha: sha,
            job_workflow_ref: order.job_workflow_ref ?? workflowRef,
            job_workflow_sha: sha,
            runner_environment: 'github-hosted',
            ...(order.environment === undefined ? {} : { environment: order.environment }),
            ...order.claims,
        };
    }

    /** Environment variables with which a program believes to run inside GitHub Actions. */
    environment(repo: Repo, order: RunnerOrder): Record<string, string> {
        const claims = this.claimsOf(repo, order);
        const token = randomBytes(24).toString('base64url');
        this.oidc.runners.set(token, claims);
        const text = (name: string) => String(claims[name] ?? '');
        const made: Record<string, string> = {
            PATH: process.env['PATH'] ?? '/usr/bin:/bin',
            HOME: process.env['HOME'] ?? '/tmp',
            CI: 'true',
            GITHUB_ACTIONS: 'true',
            RUNNER_OS: 'Linux',
            RUNNER_ARCH: 'X64',
            GITHUB_REPOSITORY: text('repository'),
            GITHUB_REPOSITORY_ID: text('repository_id'),
            GITHUB_REPOSITORY_OWNER: text('repository_owner'),
            GITHUB_REPOSITORY_OWNER_ID: text('repository_owner_id'),
            GITHUB_SHA: text('sha'),
            GITHUB_REF: text('ref'),
            GITHUB_REF_NAME: text('ref').replace(/^refs\/(heads|tags|pull)\//, ''),
            GITHUB_REF_TYPE: text('ref_type'),
            GITHUB_HEAD_REF: text('head_ref'),
            GITHUB_BASE_REF: text('base_ref'),
            GITHUB_RUN_ID: text('run_id'),
            GITHUB_RUN_NUMBER: text('run_number'),
            GITHUB_RUN_ATTEMPT: text('run_attempt'),
            GITHUB_EVENT_NAME: text('event_name'),
            GITHUB_ACTOR: text('actor'),
            GITHUB_ACTOR_ID: text('actor_id'),
            GITHUB_WORKFLOW: text('workflow'),
            GITHUB_WORKFLOW_REF: text('workflow_ref'),
            GITHUB_JOB: 'atmos',
            GITHUB_SERVER_URL: this.at.html,
            GITHUB_API_URL: this.at.api,
            GITHUB_TOKEN: this.jobToken(repo),
            ACTIONS_ID_TOKEN_REQUEST_URL: `${this.oidc.issuer}/_apis/pipelines/${text('run_id')}/idtoken?api-version=2.0`,
            ACTIONS_ID_TOKEN_REQUEST_TOKEN: token,
            SSL_CERT_FILE: this.oidc.caPath,
        };
        for (const [name, value] of Object.entries(order.inputs ?? {})) {
            made['INPUT_' + name.toUpperCase().replaceAll(' ', '_')] = value;
        }
        return made;
    }

    environmentOf(run: Run): Record<string, string> {
        return this.environment(run.repo, {
            event_name: run.event,
            ref: `refs/heads/${run.ref}`,
            sha: run.headSha,
            run_id: run.id,
            run_number: run.runNumber,
            run_attempt: run.attempt,
            actor: run.actor.login,
            workflow: run.workflow.path.slice(run.workflow.path.lastIndexOf('/') + 1),
            environment: run.jobs.find((job) => job.environment !== undefined)?.environment,
            inputs: run.inputs,
            claims: { workflow: run.name, check_run_id: String(run.jobs[0]?.id ?? 0) },
        });
    }

    /** The job's own GITHUB_TOKEN: one repository, as github-actions[bot]. */
    private jobToken(repo: Repo): string {
        const installation =
            this.world.installationFor(repo) ?? this.world.installationOf(repo.owner);
        return this.auth.issue(
            {
                installation,
                repositoryIds: new Set([repo.id]),
                actor: this.world.actionsBot,
                viaApp: false,
                permissions: {
                    actions: 'read',
                    checks: 'write',
                    contents: 'read',
                    metadata: 'read',
                    pull_requests: 'write',
                    issues: 'write',
                    statuses: 'write',
                },
            },
            'classic',
            nowMs(),
        ).text;
    }
}
