/* Instances as rows, with the filters that find them: of the workspace, or of one repository. */
import type { Schemas } from '../api/client.ts';
import { usePages } from '../api/queries.ts';
import { paths } from '../app/paths.ts';
import { Problem } from '../app/problem.tsx';
import { readFilters, type FilterField } from '../logic/list-filters.ts';
import { useAsked } from './asked.ts';
import { Command } from './command.tsx';
import { Filter, useFilters } from './filters.tsx';
import { Go, useGo } from './go.tsx';
import { Empty, Waiting } from './page.tsx';
import { ClearFilters, PickOne } from './picks.tsx';
import { fullName, useRepositories, type Repository } from './repository.tsx';
import { Rows, type Column } from './rows.tsx';
import { lookOf, Status } from './status.tsx';
import { Name } from './text.tsx';
import { Ago } from './time.tsx';
import './lists.css';

export type Instance = Schemas['Instance'];

const drifts = ['drifted', 'error', 'unknown', 'in_sync', 'disabled'];
const fields: FilterField[] = [
    { name: 'drift', kind: 'one', values: [...drifts, 'orphaned'] },
    { name: 'repo', kind: 'text' },
    { name: 'stack', kind: 'text' },
    { name: 'component', kind: 'text' },
];
const names = fields.map((field) => field.name);

/** What is known of an instance, worst first: gone from the configuration, not watched, or what the last look said. */
export function DriftStatus({ instance }: { instance: Instance }) {
    if (instance.orphaned) return <Status state="orphaned" />;
    if (instance.disabledAt !== null) return <Status state="disabled" />;
    return <Status state={instance.driftStatus} />;
}

export function InstanceList({ repository }: { repository?: Repository }) {
    const [raw, setFilters] = useFilters(names);
    const filters = readFilters(fields, raw);
    const { drift, ...asked } = useAsked(fields, filters);
    const repositories = useRepositories();
    const go = useGo();
    const list = usePages<Instance>(
        {
            path: '/api/v1/instances',
            query: {
                ...asked,
                ...(repository ? { repo: fullName(repository) } : {}),
                ...(drift === 'orphaned' ? { orphaned: true } : { drift }),
            },
            on: ['instances'],
            ...(repository ? { repository: repository.id } : {}),
        },
        200,
    );
    const isFiltered = Object.keys(filters).length > 0;
    const clear = () => setFilters(Object.fromEntries(names.map((name) => [name, ''])));
    return (
        <>
            <div className="bar" role="search">
                <Filter
                    label="Component"
                    value={filters['component'] ?? ''}
                    onChange={(component) => setFilters({ component })}
                    width={180}
                />
                <Filter
                    label="Stack"
                    value={filters['stack'] ?? ''}
                    onChange={(stack) => setFilters({ stack })}
                    width={180}
                />
                {!repository && (
                    <PickOne
                        label="Any repository"
                        values={repositories.items.map((one) => ({
                            value: fullName(one),
                            label: fullName(one),
                        }))}
                        value={filters['repo'] ?? ''}
                        onChange={(repo) => setFilters({ repo })}
                    />
                )}
                <PickOne
                    label="Any drift state"
                    values={[...drifts, 'orphaned'].map((value) => ({
                        value,
                        label: lookOf(value).word,
                    }))}
                    value={filters['drift'] ?? ''}
                    onChange={(value) => setFilters({ drift: value })}
                    width={150}
                />
                <ClearFilters isOn={isFiltered} clear={clear} />
            </div>
            {list.error ? (
                <Problem error={list.error} again={list.again} />
            ) : list.isPending ? (
                <Waiting />
            ) : list.items.length === 0 ? (
                <NoInstances isFiltered={isFiltered} clear={clear} />
            ) : (
                <Rows
                    label="Instances"
                    items={list.items}
                    columns={
                        repository
                            ? columns.filter((column) => column.key !== 'repository')
                            : columns
                    }
                    keyOf={(one) => String(one.id)}
                    open={(one) => go(paths.instance(one.repositoryId, one.stack, one.component))}
                    hasMore={list.hasMore}
                    isMoreComing={list.isMoreComing}
                    more={list.more}
                    isDim={(one) => one.disabledAt !== null}
                />
            )}
        </>
    );
}

function NoInstances({ isFiltered, clear }: { isFiltered: boolean; clear: () => void }) {
    if (isFiltered)
        return (
            <Empty title="No instance is like this" acts={<ClearFilters isOn clear={clear} />} />
        );
    return (
        <Empty title="No instance is known yet">
            <code>atmos list instances --upload</code> in a workflow sends the inventory; an
            instance also appears with its first run.
        </Empty>
    );
}

const columns: Column<Instance>[] = [
    { key: 'drift', title: 'Drift', width: '120px', show: (one) => <DriftStatus instance={one} /> },
    {
        key: 'component',
        title: 'Component',
        width: 'minmax(150px, 1.4fr)',
        show: (one) => (
            <Go to={paths.instance(one.repositoryId, one.stack, one.component)} isPlain>
                <strong>
                    <Name max={70}>{one.component}</Name>
                </strong>
            </Go>
        ),
    },
    {
        key: 'stack',
        title: 'Stack',
        width: 'minmax(150px, 1.4fr)',
        show: (one) => <Name max={70}>{one.stack}</Name>,
    },
    {
        key: 'repository',
        title: 'Repository',
        width: 'minmax(120px, 1fr)',
        show: (one) => (
            <span className="quiet">
                <Name max={60}>{one.repository}</Name>
            </span>
        ),
    },
    {
        key: 'command',
        title: 'Last run',
        width: '104px',
        show: (one) => <Command command={one.lastCommand} />,
    },
    {
        key: 'exit',
        title: 'Exit code',
        width: '70px',
        align: 'right',
        show: (one) =>
            one.lastExitCode === null ? <span className="quiet">–</span> : one.lastExitCode,
    },
    {
        key: 'age',
        title: 'When',
        width: '96px',
        align: 'right',
        show: (one) => <Ago at={one.lastRunAt} />,
    },
];
