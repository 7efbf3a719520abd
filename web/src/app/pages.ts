/* The one table of pages. A page is a folder of src/pages; what it needs is loaded when it is opened. */
import {
    IconActivity,
    IconClipboardList,
    IconBook2,
    IconCompass,
    IconGauge,
    IconHistory,
    IconKey,
    IconLock,
    IconStack2,
    IconUser,
    IconUsers,
    type Icon,
} from '@tabler/icons-react';
import type { ComponentType } from 'react';

export interface PageRow {
    /** As TanStack Router reads it. */
    path: string;
    title: string;
    load: () => Promise<{ default: ComponentType }>;
    /** Where it stands in the column at the left; without: not there. */
    group?: 'work' | 'house';
    icon?: Icon;
    /** `g` and this letter. */
    key?: string;
    /** Only for owners and admins. */
    isAdmins?: boolean;
    /** Shown without a session and without the frame. */
    isOpen?: boolean;
}

const repository = () => import('../pages/repositories/one.tsx');

export const pages: readonly PageRow[] = [
    {
        path: '/',
        title: 'Now',
        group: 'work',
        icon: IconActivity,
        key: 'n',
        load: () => import('../pages/now/index.tsx'),
    },
    {
        path: '/deployments',
        title: 'Deployments',
        group: 'work',
        icon: IconHistory,
        key: 'd',
        load: () => import('../pages/deployments/index.tsx'),
    },
    {
        path: '/instances',
        title: 'Instances',
        group: 'work',
        icon: IconStack2,
        key: 'i',
        load: () => import('../pages/instances/index.tsx'),
    },
    {
        path: '/repositories',
        title: 'Repositories',
        group: 'work',
        icon: IconBook2,
        key: 'r',
        load: () => import('../pages/repositories/index.tsx'),
    },
    {
        path: '/locks',
        title: 'Locks',
        group: 'work',
        icon: IconLock,
        key: 'l',
        load: () => import('../pages/locks/index.tsx'),
    },
    {
        path: '/budget',
        title: 'Budget',
        group: 'house',
        icon: IconGauge,
        key: 'b',
        load: () => import('../pages/budget/index.tsx'),
    },
    {
        path: '/audit',
        title: 'Audit log',
        group: 'house',
        icon: IconClipboardList,
        key: 'a',
        isAdmins: true,
        load: () => import('../pages/audit/index.tsx'),
    },
    {
        path: '/members',
        title: 'Members',
        group: 'house',
        icon: IconUsers,
        key: 'm',
        load: () => import('../pages/people/members.tsx'),
    },
    {
        path: '/tokens',
        title: 'Tokens',
        group: 'house',
        icon: IconKey,
        key: 't',
        isAdmins: true,
        load: () => import('../pages/people/tokens.tsx'),
    },
    {
        path: '/start',
        title: 'Set-up',
        group: 'house',
        icon: IconCompass,
        key: 's',
        isAdmins: true,
        load: () => import('../pages/start/index.tsx'),
    },
    {
        path: '/account',
        title: 'Your account',
        icon: IconUser,
        key: 'u',
        load: () => import('../pages/people/account.tsx'),
    },
    { path: '/batches/$batchId', title: 'Batch', load: () => import('../pages/batch/index.tsx') },
    {
        path: '/changes/$changeId',
        title: 'Change',
        load: () => import('../pages/batch/change.tsx'),
    },
    { path: '/runs/$runId', title: 'Run', load: () => import('../pages/batch/run.tsx') },
    {
        path: '/instances/$repositoryId/$stack/$',
        title: 'Instance',
        load: () => import('../pages/instances/one.tsx'),
    },
    { path: '/repositories/$repositoryId', title: 'Repository', load: repository },
    { path: '/repositories/$repositoryId/$tab', title: 'Repository', load: repository },
    {
        path: '/sign-in',
        title: 'Sign in',
        isOpen: true,
        load: () => import('../pages/signin/index.tsx'),
    },
    {
        path: '/welcome',
        title: 'Welcome',
        isOpen: true,
        load: () => import('../pages/signin/welcome.tsx'),
    },
];
