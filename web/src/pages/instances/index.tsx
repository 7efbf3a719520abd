import { Empty, Page } from '../../parts/page.tsx';

export default function Instances() {
    return (
        <Page title="Instances">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
