/* The addresses of pages, made in one place. */
const part = encodeURIComponent;
/** A component may have slashes; they stay, everything else is encoded. */
const parts = (text: string) => text.split('/').map(part).join('/');

export const paths = {
    now: () => '/',
    deployments: () => '/deployments',
    batch: (id: string, node?: number) =>
        `/batches/${part(id)}${node === undefined ? '' : `?node=${node}`}`,
    change: (id: number | string) => `/changes/${part(String(id))}`,
    run: (id: string) => `/runs/${part(id)}`,
    repositories: () => '/repositories',
    repository: (
        id: number,
        tab?: 'settings' | 'permissions' | 'instances' | 'uploads' | 'webhooks' | 'actions',
    ) => `/repositories/${id}${tab ? `/${tab}` : ''}`,
    instances: () => '/instances',
    instance: (repositoryId: number, stack: string, component: string) =>
        `/instances/${repositoryId}/${part(stack)}/${parts(component)}`,
    locks: () => '/locks',
    audit: () => '/audit',
    budget: () => '/budget',
    members: () => '/members',
    tokens: () => '/tokens',
    account: () => '/account',
    start: () => '/start',
    signIn: (next?: string) => `/sign-in${next && next !== '/' ? `?next=${part(next)}` : ''}`,
    welcome: () => '/welcome',
};
