import { Empty, Page } from '../../parts/page.tsx';

export default function Locks() {
    return (
        <Page title="Locks">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
