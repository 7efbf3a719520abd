/* Repositories of the workspace. */
import { useMemo } from 'react';
import { useIsAdmin, usePages } from '../../api/queries.ts';
import { paths } from '../../app/paths.ts';
import { Filter, useFilters } from '../../parts/filters.tsx';
import { Go, useGo } from '../../parts/go.tsx';
import { Listed } from '../../parts/listed.tsx';
import { Empty, Page } from '../../parts/page.tsx';
import { fullName, type Repository } from '../../parts/repository.tsx';
import { Rows, type Column } from '../../parts/rows.tsx';
import { Name } from '../../parts/text.tsx';
import { Ago } from '../../parts/time.tsx';
import { FileState, RemovedNote } from './words.tsx';
import '../../parts/lists.css';

const names = ['q'] as const;

export default function Repositories() {
    const [filters, setFilters] = useFilters(names);
    const isAdmin = useIsAdmin();
    const go = useGo();
    const repositories = usePages<Repository>(
        { path: '/api/v1/repositories', on: ['repositories'] },
        500,
    );
    const wanted = filters.q.trim().toLowerCase();
    const shown = useMemo(
        () => repositories.items.filter((one) => fullName(one).toLowerCase().includes(wanted)),
        [repositories.items, wanted],
    );
    return (
        <Page
            title="Repositories"
            sub="Whose uploads are taken, and whose workflows are dispatched."
        >
            <Filter
                label="Name"
                placeholder="Part of the name…"
                value={filters.q}
                onChange={(q) => setFilters({ q })}
                width={300}
            />
            <Listed
                list={repositories}
                none={
                    <Empty title="No repository yet">
                        Install the GitHub App in one, and it appears here by itself.{' '}
                        {isAdmin && <Go to={paths.start()}>The set-up leads you there</Go>}
                    </Empty>
                }
            >
                {shown.length === 0 ? (
                    <Empty title={`No repository has “${filters.q.slice(0, 60)}” in its name`} />
                ) : (
                    <Rows
                        label="Repositories"
                        items={shown}
                        columns={columns}
                        keyOf={(one) => String(one.id)}
                        open={(one) => go(paths.repository(one.id))}
                        hasMore={repositories.hasMore}
                        isMoreComing={repositories.isMoreComing}
                        more={repositories.more}
                    />
                )}
            </Listed>
        </Page>
    );
}

const columns: Column<Repository>[] = [
    {
        key: 'name',
        title: 'Repository',
        width: 'minmax(220px, 2fr)',
        show: (one) => (
            <>
                <Go to={paths.repository(one.id)} isPlain>
                    <strong>
                        <Name max={80}>{fullName(one)}</Name>
                    </strong>
                </Go>
                <RemovedNote repository={one} />
            </>
        ),
    },
    {
        key: 'branch',
        title: 'Default branch',
        width: 'minmax(110px, 1fr)',
        show: (one) => (
            <Name isMono max={40}>
                {one.defaultBranch}
            </Name>
        ),
    },
    {
        key: 'host',
        title: 'Forge',
        width: 'minmax(110px, 1fr)',
        show: (one) => (
            <span className="quiet">
                <Name max={40}>{one.host}</Name>
            </span>
        ),
    },
    {
        key: 'app',
        title: 'App',
        width: '120px',
        show: (one) =>
            one.installationId === null ? (
                <span className="quiet">not installed</span>
            ) : (
                <span>installed</span>
            ),
    },
    {
        key: 'file',
        title: 'Settings file',
        width: '130px',
        show: (one) => <FileState repository={one} />,
    },
    {
        key: 'since',
        title: 'Known since',
        width: '110px',
        align: 'right',
        show: (one) => <Ago at={one.createdAt} />,
    },
    {
        key: 'to',
        title: '',
        width: '150px',
        align: 'right',
        show: (one) => (
            <span className="bar bar-right">
                <Go to={paths.repository(one.id, 'instances')}>Instances</Go>
                <Go to={paths.repository(one.id, 'settings')}>Settings</Go>
            </span>
        ),
    },
];
