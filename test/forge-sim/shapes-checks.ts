import type { App, CheckRun, CheckSuite, Job, Repo, Run, Status, WorkflowRow } from './model.ts';
import { fullName } from './model.ts';
import type { Commit } from './git.ts';
import {
    actionsAppShape,
    appShape,
    commitSimpleShape,
    repoMinimalShape,
    repoUrl,
    userShape,
    type Origin,
} from './shapes.ts';
import { pullMinimalShapes } from './shapes-pull.ts';
import { iso, isoOrNull, nodeId, type Json } from './util.ts';

export function checkRunShape(repo: Repo, run: CheckRun, app: App, at: Origin): Json {
    const url = `${repoUrl(repo, at)}/check-runs/${run.id}`;
    const html = `${at.html}/${fullName(repo)}/runs/${run.id}`;
    return {
        id: run.id,
        name: run.name,
        node_id: nodeId('CR', run.id),
        head_sha: run.sha,
        external_id: run.externalId,
        url,
        html_url: html,
        details_url: run.detailsUrl ?? app.externalUrl,
        status: run.status,
        conclusion: run.conclusion,
        started_at: iso(run.startedAt),
        completed_at: isoOrNull(run.completedAt),
        output: {
            title: run.output.title,
            summary: run.output.summary,
            text: run.output.text,
            annotations_count: run.annotations.length,
            annotations_url: `${url}/annotations`,
        },
        check_suite: { id: run.suite.id },
        app: run.app === 'ours' ? appShape(app, at) : actionsAppShape(at),
        pull_requests: pullMinimalShapes(repo, run.sha, at),
    };
}

/** In webhooks the suite inside a check run is longer than over REST. */
export function checkRunEventShape(repo: Repo, run: CheckRun, app: App, at: Origin): Json {
    const suite = run.suite;
    const pulls = pullMinimalShapes(repo, run.sha, at);
    return {
        ...checkRunShape(repo, run, app, at),
        check_suite: {
            id: suite.id,
            node_id: nodeId('CS', suite.id),
            head_branch: suite.branch,
            head_sha: suite.sha,
            status: run.status === 'completed' ? 'completed' : 'queued',
            conclusion: run.conclusion,
            url: `${repoUrl(repo, at)}/check-suites/${suite.id}`,
            before: suite.before,
            after: suite.sha,
            pull_requests: pulls,
            app: appShape(app, at),
            created_at: iso(suite.createdAt),
            updated_at: iso(suite.updatedAt),
        },
    };
}

export function suiteShape(
    repo: Repo,
    suite: CheckSuite,
    commit: Commit,
    app: App,
    at: Origin,
): Json {
    /* GitHub's schema of check_suite.rerequested does not know merge_group as an event of an App. */
    const events = app.events.filter((event) => event !== 'merge_group');
    const url = `${repoUrl(repo, at)}/check-suites/${suite.id}`;
    const runs = [...repo.checkRuns.values()].filter((run) => run.suite === suite);
    const isDone = runs.length > 0 && runs.every((run) => run.status === 'completed');
    return {
        id: suite.id,
        node_id: nodeId('CS', suite.id),
        head_branch: suite.branch,
        head_sha: suite.sha,
        status: isDone ? 'completed' : 'queued',
        conclusion: isDone ? (runs[0]?.conclusion ?? null) : null,
        url,
        before: suite.before,
        after: suite.sha,
        pull_requests: pullMinimalShapes(repo, suite.sha, at),
        app: { ...appShape(app, at), events },
        created_at: iso(suite.createdAt),
        updated_at: iso(suite.updatedAt),
        rerequestable: true,
        runs_rerequestable: true,
        latest_check_runs_count: runs.length,
        check_runs_url: `${url}/check-runs`,
        head_commit: commitSimpleShape(commit),
    };
}

export function statusShape(repo: Repo, status: Status, at: Origin): Json {
    return {
        url: `${repoUrl(repo, at)}/statuses/${status.sha}`,
        avatar_url: `${at.html}/avatars/u/${status.creator.id}`,
        id: status.id,
        node_id: nodeId('SC', status.id),
        state: status.state,
        description: status.description,
        target_url: status.targetUrl,
        context: status.context,
        created_at: iso(status.createdAt),
        updated_at: iso(status.createdAt),
        creator: userShape(status.creator, at),
    };
}

export function workflowShape(repo: Repo, row: WorkflowRow, name: string, at: Origin): Json {
    const html = `${at.html}/${fullName(repo)}`;
    return {
        id: row.id,
        node_id: nodeId('W', row.id),
        name,
        path: row.path,
        state: row.disabled ? 'disabled_manually' : 'active',
        created_at: iso(row.createdAt),
        updated_at: iso(row.createdAt),
        url: `${repoUrl(repo, at)}/actions/workflows/${row.id}`,
        html_url: `${html}/blob/${repo.defaultBranch}/${row.path}`,
        badge_url: `${html}/workflows/${encodeURIComponent(name)}/badge.svg`,
    };
}

export function runUrls(run: Run, at: Origin): { url: string; html: string } {
    return {
        url: `${repoUrl(run.repo, at)}/actions/runs/${run.id}`,
        html: `${at.html}/${fullName(run.repo)}/actions/runs/${run.id}`,
    };
}

export function runShape(run: Run, commit: Commit, at: Origin): Json {
    const { url, html } = runUrls(run, at);
    const repository = repoMinimalShape(run.repo, at);
    const suites = `${repoUrl(run.repo, at)}/check-suites/${run.suite.id}`;
    return {
        id: run.id,
        name: run.name,
        node_id: nodeId('WFR', run.id),
        check_suite_id: run.suite.id,
        check_suite_node_id: nodeId('CS', run.suite.id),
        head_branch: run.ref,
        head_sha: run.headSha,
        path: run.workflow.path,
        run_number: run.runNumber,
        run_attempt: run.attempt,
        event: run.event,
        display_title: run.displayTitle,
        status: run.status,
        conclusion: run.conclusion,
        workflow_id: run.workflow.id,
        url,
        html_url: html,
        pull_requests: pullMinimalShapes(run.repo, run.headSha, at),
        created_at: iso(run.createdAt),
        updated_at: iso(run.updatedAt),
        actor: userShape(run.actor, at),
        triggering_actor: userShape(run.triggeringActor, at),
        run_started_at: iso(run.startedAt),
        jobs_url: `${url}/jobs`,
        logs_url: `${url}/logs`,
        check_suite_url: suites,
        artifacts_url: `${url}/artifacts`,
        cancel_url: `${url}/cancel`,
        rerun_url: `${url}/rerun`,
        previous_attempt_url: run.attempt > 1 ? `${url}/attempts/${run.attempt - 1}` : null,
        workflow_url: `${repoUrl(run.repo, at)}/actions/workflows/${run.workflow.id}`,
        referenced_workflows: [],
        head_commit: commitSimpleShape(commit),
        repository,
        head_repository: repository,
    };
}

function steps(job: Job): Json[] {
    if (job.status !== 'completed') return [];
    const times = { started_at: iso(job.startedAt), completed_at: isoOrNull(job.completedAt) };
    const ended =
        job.conclusion === 'failure'
            ? 'failure'
            : job.conclusion === 'cancelled'
              ? 'cancelled'
              : 'success';
    return [
        { name: 'Set up job', status: 'completed', conclusion: 'success', number: 1, ...times },
        { name: 'Run', status: 'completed', conclusion: ended, number: 2, ...times },
        { name: 'Complete job', status: 'completed', conclusion: 'success', number: 3, ...times },
    ];
}

export function jobShape(run: Run, job: Job, at: Origin): Json {
    const { url, html } = runUrls(run, at);
    const isOnRunner = job.status === 'in_progress' || job.status === 'completed';
    return {
        id: job.id,
        run_id: run.id,
        workflow_name: run.name,
        head_branch: run.ref,
        run_url: url,
        run_attempt: run.attempt,
        node_id: nodeId('CR', job.id),
        head_sha: run.headSha,
        url: `${repoUrl(run.repo, at)}/actions/jobs/${job.id}`,
        html_url: `${html}/job/${job.id}`,
        status: job.status,
        conclusion: job.conclusion,
        created_at: iso(job.createdAt),
        started_at: iso(job.startedAt),
        completed_at: isoOrNull(job.completedAt),
        name: job.name,
        steps: steps(job),
        check_run_url: `${repoUrl(run.repo, at)}/check-runs/${job.checkRun.id}`,
        labels: job.labels,
        runner_id: isOnRunner ? 1 : null,
        runner_name: isOnRunner ? 'GitHub Actions 1' : null,
        runner_group_id: isOnRunner ? 0 : null,
        runner_group_name: isOnRunner ? 'GitHub Actions' : null,
    };
}
