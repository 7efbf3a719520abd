import type { Git } from './git.ts';
import type { Json } from './util.ts';

export interface User {
    id: number;
    login: string;
    type: 'User' | 'Bot' | 'Organization';
    name: string;
}

export type Permission = 'admin' | 'maintain' | 'write' | 'triage' | 'read' | 'none';

export interface Environment {
    id: number;
    name: string;
    createdAt: number;
    reviewers: string[];
}

export interface Repo {
    id: number;
    name: string;
    owner: User;
    isPrivate: boolean;
    defaultBranch: string;
    archived: boolean;
    createdAt: number;
    pushedAt: number;
    updatedAt: number;
    git: Git;
    isFork: boolean;
    permissions: Map<string, Permission>;
    environments: Map<string, Environment>;
    pulls: Map<number, Pull>;
    numberNext: number;
    mergeableDelayMs: number;
    comments: Map<number, Comment>;
    suites: Map<string, CheckSuite>;
    checkRuns: Map<number, CheckRun>;
    statuses: Status[];
    workflows: Map<string, WorkflowRow>;
    runs: Map<number, Run>;
    releases: Map<number, Release>;
    mergeGroups: Map<string, MergeGroup>;
}

export interface WorkflowRow {
    id: number;
    path: string;
    createdAt: number;
    runNumberNext: number;
    disabled: boolean;
}

export interface Installation {
    id: number;
    account: User;
    repositoryIds: Set<number>;
    suspendedAt: number | null;
    deleted: boolean;
    createdAt: number;
    permissions: Record<string, string>;
    events: string[];
}

export interface Label {
    id: number;
    name: string;
    color: string;
}

export interface Pull {
    id: number;
    number: number;
    title: string;
    body: string;
    user: User;
    draft: boolean;
    state: 'open' | 'closed';
    merged: boolean;
    mergedBy: User | null;
    mergeSha: string | null;
    headRef: string;
    headSha: string;
    headRepo: Repo | null;
    baseRef: string;
    baseSha: string;
    createdAt: number;
    updatedAt: number;
    closedAt: number | null;
    mergedAt: number | null;
    labels: Label[];
    additions: number;
    deletions: number;
    files: string[];
    commits: number;
    reviews: Review[];
    mergeableAt: number;
    locked: boolean;
    association: string;
}

export interface Review {
    id: number;
    user: User;
    body: string;
    state: string;
    commitId: string;
    submittedAt: number;
    viaApp: boolean;
    event: string;
}

export interface Comment {
    id: number;
    number: number;
    user: User;
    body: string;
    createdAt: number;
    updatedAt: number;
    viaApp: boolean;
    deleted: boolean;
    reactions: { id: number; user: User; content: string; at: number }[];
    revisions: { at: number; body: string; by: string }[];
    association: string;
}

export interface CheckSuite {
    id: number;
    sha: string;
    branch: string | null;
    before: string | null;
    createdAt: number;
    updatedAt: number;
    app: 'ours' | 'actions';
}

export interface CheckRun {
    id: number;
    suite: CheckSuite;
    name: string;
    sha: string;
    status: string;
    conclusion: string | null;
    externalId: string;
    detailsUrl: string | null;
    startedAt: number;
    completedAt: number | null;
    output: { title: string | null; summary: string | null; text: string | null };
    annotations: Json[];
    actions: Json[];
    app: 'ours' | 'actions';
    revisions: { at: number; status: string; conclusion: string | null; output: Json }[];
}

export interface Status {
    id: number;
    sha: string;
    state: string;
    context: string;
    description: string | null;
    targetUrl: string | null;
    creator: User;
    createdAt: number;
}

export interface Job {
    id: number;
    name: string;
    status: string;
    conclusion: string | null;
    createdAt: number;
    startedAt: number;
    completedAt: number | null;
    labels: string[];
    environment: string | undefined;
    checkRun: CheckRun;
}

export interface Run {
    id: number;
    repo: Repo;
    workflow: WorkflowRow;
    name: string;
    event: string;
    ref: string;
    headSha: string;
    inputs: Record<string, string>;
    displayTitle: string;
    runNumber: number;
    attempt: number;
    status: string;
    conclusion: string | null;
    actor: User;
    triggeringActor: User;
    createdAt: number;
    startedAt: number;
    updatedAt: number;
    suite: CheckSuite;
    jobs: Job[];
    group: string | undefined;
    readableAt: number;
    listedAt: number;
    timer: NodeJS.Timeout | undefined;
    log: string;
    script: Script;
    cancelling: boolean;
    kill: (() => void) | undefined;
    history: { at: number; attempt: number; status: string; conclusion: string | null }[];
}

/** What a run that matches will do. The newest matching script wins. */
export interface Script {
    match?: {
        workflow?: string;
        stack?: string;
        component?: string;
        ref?: string;
        inputs?: Record<string, string>;
    };
    conclusion?: string;
    queueMs?: number;
    runMs?: number;
    approval?: boolean;
    count?: number;
    exec?: string[];
    cwd?: string;
    env?: Record<string, string>;
}

export interface Release {
    id: number;
    tag: string;
    target: string;
    name: string;
    body: string;
    draft: boolean;
    prerelease: boolean;
    author: User;
    createdAt: number;
    publishedAt: number | null;
}

export interface MergeGroup {
    id: string;
    headRef: string;
    headSha: string;
    baseRef: string;
    baseSha: string;
    pull: Pull;
}

export interface App {
    id: number;
    slug: string;
    name: string;
    clientId: string;
    clientSecret: string;
    owner: User;
    privateKeyPem: string;
    publicKeyPem: string;
    webhookSecret: string;
    webhookUrl: string | null;
    contentType: 'json' | 'form';
    insecureSsl: string;
    hookId: number;
    createdAt: number;
    permissions: Record<string, string>;
    events: string[];
    bot: User;
    externalUrl: string;
}

export const permissions_default: Record<string, string> = {
    actions: 'write',
    checks: 'write',
    contents: 'write',
    deployments: 'write',
    environments: 'read',
    issues: 'write',
    members: 'read',
    merge_queues: 'read',
    metadata: 'read',
    pull_requests: 'write',
    statuses: 'write',
};

export const events_default = [
    'check_run',
    'check_suite',
    'deployment_review',
    'issue_comment',
    'merge_group',
    'pull_request',
    'push',
    'release',
    'repository',
    'workflow_job',
    'workflow_run',
];

export function fullName(repo: Repo): string {
    return repo.owner.login + '/' + repo.name;
}
