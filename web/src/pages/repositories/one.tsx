/* One repository: what runs in it, its settings, who may upload, what is deployed, and all that came from it. */
import { useParams } from '@tanstack/react-router';
import { useIsAdmin, useRead } from '../../api/queries.ts';
import { paths } from '../../app/paths.ts';
import { Problem } from '../../app/problem.tsx';
import { Go, Out } from '../../parts/go.tsx';
import { Empty, Page, Waiting } from '../../parts/page.tsx';
import { fullName, type Repository } from '../../parts/repository.tsx';
import { Name } from '../../parts/text.tsx';
import { ActionsTab } from './actions.tsx';
import { InstancesTab } from './instances.tsx';
import { Overview } from './overview.tsx';
import { PermissionsTab } from './permissions.tsx';
import { SettingsTab } from './settings.tsx';
import { UploadsTab } from './uploads.tsx';
import { WebhooksTab } from './webhooks.tsx';
import { RemovedNote } from './words.tsx';
import '../../parts/lists.css';

const tabs = [
    { id: '', title: 'Overview', isAdmins: false },
    { id: 'instances', title: 'Instances', isAdmins: false },
    { id: 'uploads', title: 'Uploads', isAdmins: false },
    { id: 'webhooks', title: 'Webhooks', isAdmins: false },
    { id: 'actions', title: 'Actions', isAdmins: false },
    { id: 'settings', title: 'Settings', isAdmins: false },
    { id: 'permissions', title: 'Permissions', isAdmins: false },
] as const;
type Tab = (typeof tabs)[number]['id'];

export default function RepositoryPage() {
    const params = useParams({ strict: false }) as { repositoryId?: string; tab?: string };
    const id = /^\d{1,15}$/.test(params.repositoryId ?? '') ? Number(params.repositoryId) : 0;
    const tab = (params.tab ?? '') as Tab;
    const repository = useRead<Repository>({
        path: `/api/v1/repositories/${id}`,
        on: ['repositories'],
        repository: id,
        enabled: id > 0,
    });
    if (id === 0 || !tabs.some((one) => one.id === tab))
        return (
            <Page title="Repository">
                <Empty
                    title="There is no such page"
                    acts={<Go to={paths.repositories()}>All repositories</Go>}
                />
            </Page>
        );
    if (repository.error)
        return (
            <Page title="Repository">
                <Problem error={repository.error} again={() => void repository.refetch()} />
            </Page>
        );
    if (!repository.data)
        return (
            <Page title="Repository">
                <Waiting />
            </Page>
        );
    return <Known repository={repository.data} tab={tab} />;
}

function Known({ repository, tab }: { repository: Repository; tab: Tab }) {
    const isAdmin = useIsAdmin();
    const name = fullName(repository);
    const title = tabs.find((one) => one.id === tab)!.title;
    return (
        <Page
            name={tab === '' ? name : `${title} · ${name}`}
            title={
                <>
                    <Name>{name}</Name> <RemovedNote repository={repository} />
                </>
            }
            sub={
                <span className="bar">
                    <Out href={`https://${repository.host}/${name}`}>{repository.host}</Out>
                    <span>
                        default branch <Name isMono>{repository.defaultBranch}</Name>
                    </span>
                    {repository.installationId === null && (
                        <span>The App is not installed: nothing is dispatched.</span>
                    )}
                </span>
            }
        >
            <nav className="tabs" aria-label="Parts of the repository">
                {tabs
                    .filter((one) => isAdmin || !one.isAdmins)
                    .map((one) => (
                        <Go
                            key={one.id}
                            className="tab"
                            to={paths.repository(repository.id, one.id === '' ? undefined : one.id)}
                            aria-current={one.id === tab ? 'page' : undefined}
                        >
                            {one.title}
                        </Go>
                    ))}
            </nav>
            <TabOf repository={repository} tab={tab} />
        </Page>
    );
}

function TabOf({ repository, tab }: { repository: Repository; tab: Tab }) {
    switch (tab) {
        case '':
            return <Overview repository={repository} />;
        case 'settings':
            return <SettingsTab repository={repository} />;
        case 'permissions':
            return <PermissionsTab repositoryId={repository.id} />;
        case 'instances':
            return <InstancesTab repository={repository} />;
        case 'uploads':
            return <UploadsTab repository={repository} />;
        case 'webhooks':
            return <WebhooksTab repository={repository} />;
        case 'actions':
            return <ActionsTab repository={repository} />;
    }
}
