/* Ctrl-K: every page, and what the page at hand can do. */
import { Spotlight } from '@mantine/spotlight';
import { IconBolt, IconSearch } from '@tabler/icons-react';
import { useGo } from '../parts/go.tsx';
import { useAllActs } from './acts.ts';
import type { PageRow } from './pages.ts';

export function Palette(props: { rows: PageRow[] }) {
    const go = useGo();
    const acts = useAllActs();
    const onPage = acts.map((act) => ({
        id: act.id,
        label: act.label,
        description: act.description,
        onClick: act.run,
        leftSection: <IconBolt size={16} aria-hidden />,
    }));
    const pages = props.rows.map((row) => {
        const Icon = row.icon!;
        return {
            id: row.path,
            label: row.title,
            onClick: () => go(row.path),
            leftSection: <Icon size={16} aria-hidden />,
            rightSection: row.key ? <kbd>g {row.key}</kbd> : undefined,
        };
    });
    return (
        <Spotlight
            shortcut={['mod + K']}
            actions={[
                ...(onPage.length > 0 ? [{ group: 'On this page', actions: onPage }] : []),
                { group: 'Go to', actions: pages },
            ]}
            nothingFound="Nothing of that name. Pages and the acts of this page can be found here."
            scrollable
            overlayProps={{ backgroundOpacity: 0.35, blur: 0 }}
            maxHeight={420}
            searchProps={{
                leftSection: <IconSearch size={16} aria-hidden />,
                placeholder: 'Find a page or an act',
                'aria-label': 'Find a page or an act',
            }}
        />
    );
}
