/* What the CLI sent of this repository, and what came of it; refused ones say why. */
import type { Schemas } from '../../api/client.ts';
import { useFeed } from '../../api/feed.ts';
import { paths } from '../../app/paths.ts';
import { FeedRows } from '../../parts/feed-rows.tsx';
import { Go } from '../../parts/go.tsx';
import { Empty } from '../../parts/page.tsx';
import { fullName, type Repository } from '../../parts/repository.tsx';
import type { Column } from '../../parts/rows.tsx';
import { Status } from '../../parts/status.tsx';
import { Name, Sha } from '../../parts/text.tsx';
import { Ago } from '../../parts/time.tsx';

type Upload = Schemas['Upload'];

export function UploadsTab({ repository }: { repository: Repository }) {
    const feed = useFeed<Upload>({
        path: '/api/v1/uploads',
        query: { repo: fullName(repository) },
        on: ['uploads'],
        repository: repository.id,
    });
    return (
        <FeedRows
            feed={feed}
            label="Uploads"
            columns={columns}
            keyOf={(upload) => upload.id}
            rowHeight={40}
            none={
                <Empty
                    title="Nothing was uploaded yet"
                    acts={<Go to={paths.start()}>The two workflow files to copy</Go>}
                >
                    <code>atmos describe affected --upload</code> in a workflow of this repository
                    sends what a change touches.
                </Empty>
            }
        />
    );
}

const columns: Column<Upload>[] = [
    {
        key: 'state',
        title: 'What came of it',
        width: '120px',
        show: (upload) => <Status state={upload.state} />,
    },
    { key: 'head', title: 'Head', width: '76px', show: (upload) => <Sha>{upload.headSha}</Sha> },
    { key: 'base', title: 'Base', width: '76px', show: (upload) => <Sha>{upload.baseSha}</Sha> },
    {
        key: 'count',
        title: 'Stacks',
        width: '80px',
        align: 'right',
        show: (upload) => upload.affected.toLocaleString('en'),
    },
    {
        key: 'note',
        title: 'Why',
        width: 'minmax(240px, 3fr)',
        show: (upload) => (
            <span className="two-lines" title={upload.note ?? ''}>
                {upload.note === null || upload.note === '' ? (
                    <span className="quiet">–</span>
                ) : (
                    <Name max={400}>{upload.note}</Name>
                )}
            </span>
        ),
    },
    {
        key: 'change',
        title: 'Change',
        width: '90px',
        show: (upload) =>
            upload.changeId === null ? (
                <span className="quiet">none</span>
            ) : (
                <Go to={paths.change(upload.changeId)}>open</Go>
            ),
    },
    {
        key: 'age',
        title: 'Received',
        width: '100px',
        align: 'right',
        show: (upload) => <Ago at={upload.receivedAt} />,
    },
];
